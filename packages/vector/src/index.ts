/** The flat parameter vector: manifest, blocks, codecs, exact accumulators, safetensors. */
export * from "./errors.ts";
export * from "./manifest.ts";
export * from "./block.ts";
export { type Codec, type CodecName } from "./codecContract.ts";
export { codecNames, codecOf } from "./codec.ts";
export { checkWeight, type Grid, type GridOptions } from "./grid.ts";
export { type Accumulator, createAccumulator } from "./accumulator.ts";
export { allFinite, squaredNorm } from "./check.ts";
export {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsLimits,
  type SafetensorsParts,
  safetensorsParts,
} from "./safetensors.ts";
export { type SafetensorsDType, type SafeTensor } from "./safetensorsType.ts";
