/** What a conformance case is: a traced function, values for its arguments, and how near a backend must come. */
import type { DType, Shape, Tensor, TensorData, TensorType } from "@weft/tensor";
import { arrayOf, isFloat } from "@weft/tensor";

export interface Value extends TensorType {
  readonly data: TensorData;
}

/** A float result passes within relative · |expected| + absolute; 0 for both asks for equality. Other dtypes are always exact. */
export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

export interface Case {
  /** What is claimed, read after "computes …". */
  readonly claim: string;
  readonly fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[];
  /** Lists of arguments, each tried. */
  readonly inputs: readonly (readonly Value[])[];
  readonly tolerance?: Tolerance;
  /** Whether -0 and 0 count as different; for primitives that only move or select. */
  readonly signedZero?: boolean;
}

/** One operation rounds once; a fused or vectorised one may be off by the last bit or two. */
export const rounded: Tolerance = { relative: 3e-7, absolute: 1e-37 };
/** Polynomial approximations. */
export const approximate: Tolerance = { relative: 2e-6, absolute: 1e-6 };
/** Sums of many products, in any order. */
export const accumulated: Tolerance = { relative: 2e-5, absolute: 2e-5 };
export const exact: Tolerance = { relative: 0, absolute: 0 };

/** What the random values of an argument are drawn from. */
export type Range = readonly [least: number, most: number];

/** A value of the given type; the same call gives the same elements. */
export function sample(shape: Shape, dtype: DType = "f32", range: Range = [-2, 2]): Value {
  const size = shape.reduce((product, n) => product * n, 1);
  const next = generator(`${dtype}${shape.join()}:${range.join()}:${counter++}`);
  const [least, most] = dtype === "bool" ? [0, 1] : range;
  const data = new arrayOf[dtype](size);
  for (let i = 0; i < size; i++) {
    data[i] = isFloat(dtype) ? least + next() * (most - least) : Math.floor(least + next() * (most - least + 1));
  }
  return { shape, dtype, data };
}

/** A value with these very elements, of rank 1 unless a shape is given. */
export function given(elements: readonly number[], dtype: DType = "f32", shape: Shape = [elements.length]): Value {
  const data = new arrayOf[dtype](elements.length);
  data.set(elements);
  return { shape, dtype, data };
}

/** Cases are built once, in order, so that counting keeps their arguments apart and repeatable. */
let counter = 0;

/** mulberry32, seeded by text. */
function generator(seed: string): () => number {
  let state = 0;
  for (let i = 0; i < seed.length; i++) state = (Math.imul(state, 31) + seed.charCodeAt(i)) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
