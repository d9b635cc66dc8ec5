/** An update as it goes out: every vector of it through the job's codec, with what the codec owes from the updates before. */
import { encodeVector, type EncodedVector, ValueError, type VectorCodec } from "@weft/vector";
import type { EncodingRoom } from "./encodingRoom.ts";
import { OrderDeclinedError } from "./errors.ts";
import type { LocalState, StateVectors } from "./localState.ts";

export interface EncodedUpdate {
  /** One after the other. */
  readonly payload: readonly Uint8Array[];
  /** To be staged: what the codec owes if this update counts. */
  readonly owed: StateVectors;
}

export interface EncodingOptions {
  readonly seed: number;
  readonly state: Pick<LocalState, "read">;
  /** Names what the codec owes of the first vector, which is added to the next of the same name; default 0. */
  readonly part?: number;
  /** Where encodings take their memory from, and are held; default fresh memory. */
  readonly room?: EncodingRoom | undefined;
}

/** @throws {OrderDeclinedError} for values that the codec cannot compute with */
export function encodeUpdate(
  codec: VectorCodec,
  vectors: readonly Float32Array[],
  { seed, state, part: first = 0, room }: EncodingOptions,
): EncodedUpdate {
  const payload: Uint8Array[] = [];
  const owed: Record<string, Float32Array> = {};
  for (const [index, values] of vectors.entries()) {
    const part = first + index;
    const names = { residual: `codec.residual.${part}`, basis: `codec.basis.${part}` };
    const before = { residual: state.read(names.residual), basis: state.read(names.basis) };
    const reuse = codec.spec.kind === "f32" ? undefined : room?.free(codec, part);
    const { bytes, memory } = encoded(codec, values, { seed: seed + part, memory: before, reuse });
    payload.push(bytes);
    if (memory.residual) owed[names.residual] = memory.residual;
    if (memory.basis) owed[names.basis] = memory.basis;
  }
  room?.hold(payload);
  return { payload, owed };
}

function encoded(...args: Parameters<typeof encodeVector>): EncodedVector {
  const [{ spec }, values] = args;
  // As they lie, without a copy: every engine that Weft runs on is little-endian, as the wire is.
  if (spec.kind === "f32") {
    return { bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength), memory: {} };
  }
  try {
    return encodeVector(...args);
  } catch (error) {
    if (error instanceof ValueError) throw new OrderDeclinedError("non-finite", error.message);
    throw error;
  }
}
