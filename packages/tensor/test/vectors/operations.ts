/** Operations of the golden vectors that are functions of this package, but for spelling. */
import type { Padding, Tensor } from "@weft/tensor";
import * as weft from "@weft/tensor";
import type { Attributes, Operation } from "./cases.ts";
import { given } from "./cases.ts";

const unary =
  (fn: (x: Tensor) => Tensor): Operation =>
  ([x]) =>
    fn(operand(x));
const binary =
  (fn: (x: Tensor, y: Tensor) => Tensor): Operation =>
  ([x, y]) =>
    fn(operand(x), operand(y));

export function operand(x: Tensor | undefined): Tensor {
  if (!x) throw new Error("the case has too few inputs");
  return x;
}

/** `null` is all axes. */
const reduction = ({ axis, keepdims }: Attributes) => ({
  axis: axis ?? undefined,
  ...(keepdims === undefined ? {} : { keepDims: keepdims }),
});
type Reduce = (x: Tensor, options: ReturnType<typeof reduction>) => Tensor;
const reducing =
  (fn: Reduce): Operation =>
  ([x], attrs) =>
    fn(operand(x), reduction(attrs));

const axisOf = ({ axis }: Attributes): number => {
  if (typeof axis !== "number") throw new Error("the case has no single axis");
  return axis;
};

const convOptions = (attrs: Attributes, padding: Padding) => ({
  stride: given(attrs.stride, "stride"),
  padding,
  dilation: given(attrs.dilation, "dilation"),
  groups: given(attrs.groups, "groups"),
});
const transposeOptions = ({ stride, padding, output_padding, dilation }: Attributes) => ({
  stride: given(stride, "stride"),
  padding: given(padding, "padding") as number | readonly number[],
  outputPadding: given(output_padding, "output_padding"),
  dilation: given(dilation, "dilation"),
});
const poolOptions = (attrs: Attributes, padding: Padding) => ({
  window: given(attrs.window, "window"),
  stride: given(attrs.stride, "stride"),
  padding,
});
/** Pairs for two axes as they are; the one pair of a sequence becomes a list of one. */
const pairs = ({ padding }: Attributes): Padding => given(padding, "padding");
const onePair = ({ padding }: Attributes): Padding => [given(padding, "padding") as readonly [number, number]];

const withBias = (x: Tensor, bias: Tensor | undefined) => (bias ? x.add(bias) : x);

export const operations: Readonly<Record<string, Operation>> = {
  neg: unary(weft.neg),
  abs: unary(weft.abs),
  exp: unary(weft.exp),
  log: unary(weft.log),
  log1p: unary(weft.log1p),
  expm1: unary(weft.expm1),
  sqrt: unary(weft.sqrt),
  rsqrt: unary(weft.rsqrt),
  square: unary(weft.square),
  reciprocal: unary(weft.reciprocal),
  sin: unary(weft.sin),
  cos: unary(weft.cos),
  tan: unary(weft.tan),
  atan: unary(weft.atan),
  sinh: unary(weft.sinh),
  cosh: unary(weft.cosh),
  tanh: unary(weft.tanh),
  sigmoid: unary(weft.sigmoid),
  log_sigmoid: unary(weft.logSigmoid),
  relu: unary(weft.relu),
  relu6: unary(weft.relu6),
  silu: unary(weft.silu),
  selu: unary(weft.selu),
  mish: unary(weft.mish),
  hard_sigmoid: unary(weft.hardSigmoid),
  hard_swish: unary(weft.hardSwish),
  softsign: unary(weft.softsign),
  erf: unary(weft.erf),
  sign: unary(weft.sign),
  floor: unary(weft.floor),
  ceil: unary(weft.ceil),
  round: unary(weft.round),
  gelu: ([x], { approximate }) => weft.gelu(operand(x), { approximate: given(approximate, "approximate") }),
  elu: ([x], { alpha }) => weft.elu(operand(x), given(alpha, "alpha")),
  leaky_relu: ([x], { slope }) => weft.leakyRelu(operand(x), given(slope, "slope")),
  softplus: ([x], { beta }) => weft.softplus(operand(x), given(beta, "beta")),
  clip: ([x], { min, max }) => weft.clip(operand(x), given(min, "min"), given(max, "max")),
  pow_scalar: ([x], { exponent }) => weft.pow(operand(x), given(exponent, "exponent")),

  add: binary(weft.add),
  sub: binary(weft.sub),
  mul: binary(weft.mul),
  div: binary(weft.div),
  pow: binary(weft.pow),
  maximum: binary(weft.maximum),
  minimum: binary(weft.minimum),
  atan2: binary(weft.atan2),
  greater: binary(weft.greater),
  greater_equal: binary(weft.greaterEqual),
  less: binary(weft.less),
  less_equal: binary(weft.lessEqual),
  equal: binary(weft.equal),
  not_equal: binary(weft.notEqual),
  where: ([condition, x, y]) => weft.where(operand(condition), operand(x), operand(y)),

  sum: reducing(weft.sum),
  mean: reducing(weft.mean),
  max: reducing(weft.max),
  min: reducing(weft.min),
  logsumexp: reducing(weft.logSumExp),
  prod: reducing(weft.prod),
  norm: reducing(weft.norm),
  var: ([x], attrs) =>
    weft.variance(operand(x), { ...reduction(attrs), correction: given(attrs.correction, "correction") }),
  std: ([x], attrs) => weft.std(operand(x), { ...reduction(attrs), correction: given(attrs.correction, "correction") }),
  argmax: ([x], attrs) => weft.argmax(operand(x), { axis: axisOf(attrs) }),
  cumsum: ([x], attrs) => weft.cumsum(operand(x), { axis: axisOf(attrs), reverse: attrs.reverse === true }),
  cumprod: ([x], attrs) => weft.cumprod(operand(x), { axis: axisOf(attrs) }),

  reshape: ([x], { shape }) => operand(x).reshape(given(shape, "shape")),
  transpose: ([x], { perm }) => operand(x).transpose(given(perm, "perm")),
  broadcast_to: ([x], { shape }) => operand(x).broadcastTo(given(shape, "shape")),
  slice: ([x], { begin, end, step }) =>
    weft.slice(operand(x), given(begin, "begin"), given(end, "end"), given(step, "step")),
  pad: ([x], { pads, mode, value }) =>
    weft.pad(operand(x), given(pads, "pads"), { mode: mode ?? "constant", value: value ?? 0 }),
  concat: (inputs, attrs) => weft.concat(inputs, axisOf(attrs)),
  stack: (inputs, attrs) => weft.stack(inputs, axisOf(attrs)),
  flip: ([x], { axis }) => operand(x).flip(axis ?? undefined),
  tile: ([x], { reps }) => operand(x).tile(given(reps, "reps")),
  tril: ([x], { k }) => operand(x).tril(k),
  squeeze: ([x], attrs) => operand(x).squeeze(axisOf(attrs)),
  expand_dims: ([x], attrs) => operand(x).expandDims(axisOf(attrs)),

  matmul: ([a, b], { transpose_a, transpose_b }) =>
    weft.matmul(operand(a), operand(b), { transposeA: transpose_a === true, transposeB: transpose_b === true }),
  einsum: (inputs, { equation }) => weft.einsum(given(equation, "equation"), ...inputs),
  dense: ([x, kernel, bias]) => operand(x).matmul(operand(kernel)).add(operand(bias)),

  conv2d: ([x, kernel, bias], attrs) =>
    withBias(weft.conv2d(operand(x), operand(kernel), convOptions(attrs, pairs(attrs))), bias),
  conv1d: ([x, kernel, bias], attrs) =>
    withBias(weft.conv1d(operand(x), operand(kernel), convOptions(attrs, onePair(attrs))), bias),
  conv_transpose2d: ([x, kernel, bias], attrs) =>
    withBias(weft.convTranspose2d(operand(x), operand(kernel), transposeOptions(attrs)), bias),
  conv_transpose1d: ([x, kernel, bias], attrs) =>
    withBias(weft.convTranspose1d(operand(x), operand(kernel), transposeOptions(attrs)), bias),
  max_pool2d: ([x], attrs) => weft.maxPool2d(operand(x), poolOptions(attrs, pairs(attrs))),
  max_pool1d: ([x], attrs) => weft.maxPool1d(operand(x), poolOptions(attrs, onePair(attrs))),
  avg_pool2d: ([x], attrs) =>
    weft.avgPool2d(operand(x), {
      ...poolOptions(attrs, pairs(attrs)),
      countIncludePad: given(attrs.count_include_pad, "count_include_pad"),
    }),
  global_avg_pool2d: unary(weft.globalAvgPool2d),
  upsample_nearest2d: ([x], { scale }) => weft.upsampleNearest2d(operand(x), given(scale, "scale")),

  take: ([x, indices], attrs) => weft.take(operand(x), operand(indices), { axis: axisOf(attrs) }),
  take_along_axis: ([x, indices], attrs) => weft.takeAlongAxis(operand(x), operand(indices), { axis: axisOf(attrs) }),
  scatter_add: ([x, indices, updates], attrs) =>
    weft.scatterAdd(operand(x), operand(indices), operand(updates), { axis: axisOf(attrs) }),
  index_add: ([x, indices, updates], attrs) =>
    weft.indexAdd(operand(x), operand(indices), operand(updates), { axis: axisOf(attrs) }),
  embedding: binary(weft.embedding),
  one_hot: ([indices], { depth }) => weft.oneHot(operand(indices), given(depth, "depth")),
  sort: ([x], attrs) => {
    const options = { axis: axisOf(attrs), descending: attrs.descending === true };
    return { output: weft.sort(operand(x), options), extra: { indices: weft.argsort(operand(x), options) } };
  },
  topk: ([x], { k }) => {
    const { values, indices } = weft.topK(operand(x), given(k, "k"));
    return { output: values, extra: { indices } };
  },
  softmax: ([x], attrs) => weft.softmax(operand(x), axisOf(attrs)),
  log_softmax: ([x], attrs) => weft.logSoftmax(operand(x), axisOf(attrs)),
};
