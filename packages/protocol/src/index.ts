/** Messages, schemas, frames and limits of the wire: see README.md. */
export * from "./effort.ts";
export * from "./errors.ts";
export * from "./frame.ts";
export * from "./handshake.ts";
export * from "./job.ts";
export * from "./jobCodec.ts";
export * from "./limits.ts";
export * from "./linkFrames.ts";
export * from "./messages.ts";
export type { OptimizerSetting } from "./optimizerSetting.ts";
export * from "./parse.ts";
export * from "./refusals.ts";
export type * from "./round.ts";
export type { StopRule as JobStop } from "./stop.ts";
export * from "./roundMisfit.ts";
export * from "./sharedVector.ts";
