/** Gradients of elementwise primitives: the derivative at each element times the cotangent. */
import { isFloat } from "../dtype.ts";
import { add, cast, compare, div, exp, fill, log, mul, neg, scale, select, sub, zeros } from "../elementary.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { BinaryPrimitive, BitwisePrimitive, UnaryPrimitive } from "../primitive.ts";
import type { VjpRule } from "./rule.ts";
import { noGradient } from "./rule.ts";

type Elementwise = UnaryPrimitive | BinaryPrimitive | BitwisePrimitive | Other;
type Other = "stopGradient" | "not" | "compare" | "select" | "cast";

const plus = (x: Tensor, value: number) => add(x, fill(x, value));
const two_over_root_pi = 2 / Math.sqrt(Math.PI);

export const elementwiseRules: { readonly [P in Elementwise]: VjpRule<P> } = {
  identity: (dy) => [dy],
  neg: (dy) => [neg(dy)],
  abs: (dy, { inputs: [x] }) => [mul(dy, bind("sign", [x], {}))],
  sign: noGradient,
  floor: noGradient,
  ceil: noGradient,
  round: noGradient,
  sqrt: (dy, { output: y }) => [div(scale(dy, 0.5), y)],
  exp: (dy, { output: y }) => [mul(dy, y)],
  expm1: (dy, { output: y }) => [mul(dy, plus(y, 1))],
  log: (dy, { inputs: [x] }) => [div(dy, x)],
  log1p: (dy, { inputs: [x] }) => [div(dy, plus(x, 1))],
  sin: (dy, { inputs: [x] }) => [mul(dy, bind("cos", [x], {}))],
  cos: (dy, { inputs: [x] }) => [neg(mul(dy, bind("sin", [x], {})))],
  tanh: (dy, { output: y }) => [mul(dy, sub(fill(y, 1), mul(y, y)))],
  f16round: (dy) => [dy],
  erf: (dy, { inputs: [x] }) => [mul(dy, scale(exp(neg(mul(x, x))), two_over_root_pi))],

  add: (dy) => [dy, dy],
  sub: (dy) => [dy, neg(dy)],
  mul: (dy, { inputs: [x, y] }) => [mul(dy, y), mul(dy, x)],
  div: (dy, { inputs: [, y], output }) => {
    const dx = div(dy, y);
    return [dx, neg(mul(dx, output))];
  },
  // x rem y = x - n·y with n = the whole number (x - x rem y) / y, constant almost everywhere
  rem: (dy, { inputs: [x, y], output }) => [dy, neg(mul(dy, bind("round", [div(sub(x, output), y)], {})))],
  pow: (dy, { inputs: [x, y], output }) => {
    // y·x^(y-1), but 0 where y = 0, also at x = 0
    const reduced = select(compare("eq", y, zeros(y)), fill(y, 1), plus(y, -1));
    const dx = mul(dy, mul(y, bind("pow", [x, reduced], {})));
    // x^y·log x, but 0 where x = 0; log sees a 1 there, so that no infinity reaches second derivatives
    const atZero = compare("eq", x, zeros(x));
    const logX = log(select(atZero, fill(x, 1), x));
    return [dx, mul(dy, mul(output, logX))];
  },
  max: (dy, { inputs: [x, y] }) => shareBetween(dy, x, y),
  min: (dy, { inputs: [x, y] }) => shareBetween(dy, y, x),
  atan2: (dy, { inputs: [y, x] }) => {
    const scaled = div(dy, add(mul(x, x), mul(y, y)));
    return [mul(scaled, x), neg(mul(scaled, y))];
  },

  and: noGradient,
  or: noGradient,
  xor: noGradient,
  shiftLeft: noGradient,
  shiftRight: noGradient,
  stopGradient: noGradient,
  not: noGradient,
  compare: noGradient,
  select: (dy, { inputs: [condition] }) => [
    undefined,
    select(condition, dy, zeros(dy)),
    select(condition, zeros(dy), dy),
  ],
  cast: (dy, { inputs: [x] }) => (isFloat(x.dtype) && isFloat(dy.dtype) ? [cast(dy, x.dtype)] : []),
};

/** The cotangent goes to the first operand where `less` < `greater`, else to the second; equal ones take half each. */
function shareBetween(dy: Tensor, greater: Tensor, less: Tensor): Tensor[] {
  const whenDifferent = select(compare("lt", less, greater), dy, zeros(dy));
  const first = select(compare("eq", greater, less), scale(dy, 0.5), whenDifferent);
  return [first, sub(dy, first)];
}
