/** Messages, schemas, frames and limits of the wire: see README.md. */
export * from "./errors.ts";
export * from "./frame.ts";
export * from "./handshake.ts";
export * from "./job.ts";
export * from "./jobCodec.ts";
export * from "./limits.ts";
export * from "./linkFrames.ts";
export * from "./messages.ts";
export * from "./parse.ts";
