/** The number of each primitive in encoded Programs. Numbers are never changed or used again: old bytes keep their meaning. */
import type { DType } from "./dtype.ts";
import type { Comparison } from "./primitive.ts";
import type { Primitive } from "./program.ts";

export const opcodes: { readonly [P in Primitive]: number } = {
  constant: 1,
  iota: 2,
  randomBits: 3,
  identity: 4,
  neg: 5,
  abs: 6,
  sign: 7,
  floor: 8,
  ceil: 9,
  round: 10,
  sqrt: 11,
  exp: 12,
  expm1: 13,
  log: 14,
  log1p: 15,
  sin: 16,
  cos: 17,
  tanh: 18,
  erf: 19,
  add: 20,
  sub: 21,
  mul: 22,
  div: 23,
  rem: 24,
  pow: 25,
  max: 26,
  min: 27,
  atan2: 28,
  and: 29,
  or: 30,
  xor: 31,
  shiftLeft: 32,
  shiftRight: 33,
  not: 34,
  compare: 35,
  select: 36,
  cast: 37,
  sum: 38,
  reduceMax: 39,
  argmax: 40,
  reshape: 41,
  transpose: 42,
  broadcast: 43,
  slice: 44,
  pad: 45,
  concat: 46,
  reverse: 47,
  dot: 48,
  conv: 49,
  convInputGradient: 50,
  convKernelGradient: 51,
  windowMax: 52,
  windowSum: 53,
  windowScatter: 54,
  windowGather: 55,
  gather: 56,
  scatterAdd: 57,
  argsort: 58,
  cumsum: 59,
  scan: 60,
  stopGradient: 61,
  call: 62,
  f16round: 63,
};

export const dtypeCodes: { readonly [D in DType]: number } = { f32: 1, f64: 2, i32: 3, u32: 4, bool: 5, f16: 6 };

export const comparisonCodes: { readonly [C in Comparison]: number } = { eq: 1, ne: 2, lt: 3, le: 4 };

/** The key of each number. */
export const decodingOf = <K extends string>(codes: { readonly [N in K]: number }): ReadonlyMap<number, K> =>
  new Map((Object.keys(codes) as K[]).map((name) => [codes[name], name]));
