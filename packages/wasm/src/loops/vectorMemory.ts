/** Moves vectors of four elements between memory and registers, for any dtype and any distance between elements. */
import type { Expression, V128 } from "@weft/emitter";
import { i32, i32x4, v128 } from "@weft/emitter";
import type { DType } from "@weft/tensor";
import { bytesPerElement } from "@weft/tensor";
import type { VectorScope } from "./vectorScope.ts";

/** Four elements, the first at the address plus `position` strides. */
export interface VectorPlace {
  readonly dtype: DType;
  readonly address: Expression<"i32">;
  /** Elements between neighbours. */
  readonly stride: number;
  readonly position: number;
  /** How many of the four elements exist. */
  readonly lanes: number;
}

/** Lanes that do not exist hold anything. */
export function loadVector(s: VectorScope, place: VectorPlace): V128 {
  const { dtype, stride, position, lanes } = place;
  const bytes = bytesPerElement[dtype];
  const { address, offset } = reach(place);
  const isBool = dtype === "bool";
  if (stride === 0) return isBool ? maskOf(s, v128.load8Splat(address, offset)) : v128.load32Splat(address, offset);
  if (stride === 1) {
    const at = offset + position * bytes;
    return isBool ? maskOf(s, v128.load32Zero(address, at)) : v128.load(address, at);
  }
  let vector = s.integer(0);
  for (let lane = 0; lane < lanes; lane++) {
    const at = offset + (position + lane) * stride * bytes;
    vector = isBool
      ? i32x4.replaceLane(vector, lane, i32.sub(0, i32.load8U(address, at)))
      : v128.load32Lane(vector, lane, { address, offset: at });
  }
  return vector;
}

/** Stores exactly the lanes that exist. */
export function storeVector(s: VectorScope, place: VectorPlace, value: V128): void {
  const { dtype, stride, position, lanes } = place;
  const { f } = s;
  const bytes = bytesPerElement[dtype];
  const { address, offset } = reach(place);
  const at = (lane: number) => offset + (position + lane) * stride * bytes;
  if (dtype === "bool") {
    const words = s.keep(v128.and(value, s.integer(1)));
    if (stride === 1 && lanes === 4) f.storeLane32(address, i32x4.toBytes(words), { lane: 0, offset: at(0) });
    else for (let i = 0; i < lanes; i++) f.storeI8(address, i32x4.extractLane(words, i), at(i));
    return;
  }
  if (stride !== 1) {
    for (let lane = 0; lane < lanes; lane++) f.storeLane32(address, value, { lane, offset: at(lane) });
    return;
  }
  if (lanes === 4) f.storeV128(address, value, at(0));
  if (lanes === 2 || lanes === 3) f.storeLane64(address, value, { lane: 0, offset: at(0) });
  if (lanes === 1) f.storeLane32(address, value, { lane: 0, offset: at(0) });
  if (lanes === 3) f.storeLane32(address, value, { lane: 2, offset: at(2) });
}

/** Constant offsets of an address are unsigned: steps backwards go into the address itself. */
function reach({ dtype, address, stride, position, lanes }: VectorPlace) {
  const lowest = Math.min(0, (position + lanes - 1) * stride) * bytesPerElement[dtype];
  return { address: i32.add(address, lowest), offset: -lowest };
}

/** Bytes 0 or 1 in the low lanes become masks. */
function maskOf(s: VectorScope, bytes: V128): V128 {
  return i32x4.sub(s.integer(0), i32x4.ofBytes(bytes));
}
