/** Attaches the operations to Tensor as methods: `add(x, y)` is also `x.add(y)`. */
import { data, dataSync, item, itemSync } from "./evaluate.ts";
import { Tensor } from "./graph.ts";
import { inspect } from "./inspect.ts";
import * as activations from "./operations/activations.ts";
import * as arithmetic from "./operations/arithmetic.ts";
import { broadcastTo } from "./operations/broadcast.ts";
import * as compare from "./operations/compare.ts";
import * as conv from "./operations/conv.ts";
import * as gather from "./operations/gather.ts";
import { repeat, tile } from "./operations/join.ts";
import { dot, matmul } from "./operations/matmul.ts";
import { pad } from "./operations/pad.ts";
import * as pool from "./operations/pool.ts";
import * as reduce from "./operations/reduce.ts";
import * as shape from "./operations/shape.ts";
import { at, slice, split, tril, triu } from "./operations/slice.ts";
import { argsort, sort, topK } from "./operations/sort.ts";

/** Every function here takes the tensor first. */
const methods = {
  data,
  dataSync,
  item,
  itemSync,
  stopGradient: arithmetic.stopGradient,
  neg: arithmetic.neg,
  abs: arithmetic.abs,
  sign: arithmetic.sign,
  floor: arithmetic.floor,
  ceil: arithmetic.ceil,
  round: arithmetic.round,
  sqrt: arithmetic.sqrt,
  exp: arithmetic.exp,
  expm1: arithmetic.expm1,
  log: arithmetic.log,
  log1p: arithmetic.log1p,
  sin: arithmetic.sin,
  cos: arithmetic.cos,
  tanh: arithmetic.tanh,
  erf: arithmetic.erf,
  add: arithmetic.add,
  sub: arithmetic.sub,
  mul: arithmetic.mul,
  div: arithmetic.div,
  rem: arithmetic.rem,
  maximum: arithmetic.maximum,
  minimum: arithmetic.minimum,
  atan2: arithmetic.atan2,
  square: arithmetic.square,
  reciprocal: arithmetic.reciprocal,
  rsqrt: arithmetic.rsqrt,
  tan: arithmetic.tan,
  atan: arithmetic.atan,
  sinh: arithmetic.sinh,
  cosh: arithmetic.cosh,
  pow: arithmetic.pow,
  cast: arithmetic.cast,
  relu: activations.relu,
  relu6: activations.relu6,
  sigmoid: activations.sigmoid,
  logSigmoid: activations.logSigmoid,
  silu: activations.silu,
  mish: activations.mish,
  hardSigmoid: activations.hardSigmoid,
  hardSwish: activations.hardSwish,
  softsign: activations.softsign,
  leakyRelu: activations.leakyRelu,
  elu: activations.elu,
  selu: activations.selu,
  softplus: activations.softplus,
  gelu: activations.gelu,
  softmax: activations.softmax,
  logSoftmax: activations.logSoftmax,
  equal: compare.equal,
  notEqual: compare.notEqual,
  less: compare.less,
  lessEqual: compare.lessEqual,
  greater: compare.greater,
  greaterEqual: compare.greaterEqual,
  and: compare.and,
  or: compare.or,
  xor: compare.xor,
  shiftLeft: compare.shiftLeft,
  shiftRight: compare.shiftRight,
  not: compare.not,
  where: compare.where,
  clip: compare.clip,
  sum: reduce.sum,
  mean: reduce.mean,
  max: reduce.max,
  min: reduce.min,
  any: reduce.any,
  all: reduce.all,
  logSumExp: reduce.logSumExp,
  variance: reduce.variance,
  std: reduce.std,
  norm: reduce.norm,
  prod: reduce.prod,
  argmax: reduce.argmax,
  argmin: reduce.argmin,
  cumsum: reduce.cumsum,
  cumprod: reduce.cumprod,
  reshape: shape.reshape,
  transpose: shape.transpose,
  swapAxes: shape.swapAxes,
  moveAxis: shape.moveAxis,
  squeeze: shape.squeeze,
  expandDims: shape.expandDims,
  flip: shape.flip,
  broadcastTo,
  slice,
  at,
  split,
  tril,
  triu,
  tile,
  repeat,
  pad,
  matmul,
  dot,
  conv2d: conv.conv2d,
  conv1d: conv.conv1d,
  convTranspose2d: conv.convTranspose2d,
  convTranspose1d: conv.convTranspose1d,
  maxPool2d: pool.maxPool2d,
  maxPool1d: pool.maxPool1d,
  avgPool2d: pool.avgPool2d,
  avgPool1d: pool.avgPool1d,
  globalAvgPool2d: pool.globalAvgPool2d,
  upsampleNearest2d: pool.upsampleNearest2d,
  take: gather.take,
  takeAlongAxis: gather.takeAlongAxis,
  embedding: gather.embedding,
  scatterAdd: gather.scatterAdd,
  indexAdd: gather.indexAdd,
  oneHot: gather.oneHot,
  argsort,
  sort,
  topK,
};

/** The functions of a table without their first parameter. */
type Bound<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends (x: Tensor, ...rest: infer Rest) => infer Result
    ? (...rest: Rest) => Result
    : never;
};

declare module "./graph.ts" {
  interface Tensor extends Bound<typeof methods> {
    /** All axes reversed: the transpose of a matrix. */
    readonly T: Tensor;
    /** Type and first values, short. */
    toString(): string;
  }
}

const asMethod = (fn: (x: Tensor, ...rest: never[]) => unknown) => ({
  value(this: Tensor, ...rest: never[]) {
    return fn(this, ...rest);
  },
  configurable: true,
  writable: true,
});

const text = asMethod(inspect);

Object.defineProperties(Tensor.prototype, {
  ...Object.fromEntries(Object.entries(methods).map(([name, fn]) => [name, asMethod(fn)])),
  T: {
    get(this: Tensor) {
      return shape.transpose(this);
    },
    configurable: true,
  },
  toString: text,
  // What Node's console.log and util.inspect call.
  [Symbol.for("nodejs.util.inspect.custom")]: text,
});
