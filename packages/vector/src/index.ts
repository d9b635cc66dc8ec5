/** The flat parameter vector: manifest, blocks, codecs, exact accumulators, safetensors. */
export * from "./errors.ts";
export * from "./manifest.ts";
export * from "./block.ts";
export {
  canPublish,
  type CodecKind,
  codecKinds,
  type CodecSpec,
  codecText,
  parseCodecSpec,
  type PlainCodec,
  usesFeedback,
} from "./codec/codecSpec.ts";
export { type BlockCodec, type Owed } from "./codec/blockCodec.ts";
export { f16 } from "./codec/f16.ts";
export { bf16 } from "./codec/bf16.ts";
export {
  type EncodeSettings,
  openCodec,
  type Segment,
  type SegmentEncoding,
  type VectorCodec,
} from "./codec/vectorCodec.ts";
export { type Elements, encodedRange, joinCodecs, withinRanges } from "./codec/joinCodecs.ts";
export { applyDelta, encodeDelta } from "./codec/delta.ts";
export {
  type CodecMemory,
  decodeVector,
  type EncodedVector,
  encodeVector,
  encodingRoom,
  type VectorEncoding,
} from "./codec/encodeVector.ts";
export { checkWeight, createGrid, type Grid, type GridOptions } from "./grid.ts";
export { type Accumulator, createAccumulator, slabBytes } from "./accumulator.ts";
export { createSlab, type Slab } from "./slab.ts";
export { allFinite, squaredNorm } from "./check.ts";
export {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsLimits,
  type SafetensorsParts,
  safetensorsParts,
} from "./safetensors.ts";
export { type SafetensorsDType, type SafeTensor } from "./safetensorsType.ts";
