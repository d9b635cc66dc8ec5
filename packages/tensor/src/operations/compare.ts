/** Comparisons, logic and selection; conditions are tensors of dtype bool. */
import type { TensorLike } from "../create.ts";
import { lift } from "../create.ts";
import { Tensor, bind } from "../graph.ts";
import type { BitwisePrimitive, Comparison } from "../primitive.ts";
import { broadcastShapes, broadcastTo, pair } from "./broadcast.ts";

const comparison = (op: Comparison, name: string) => (x: Tensor, y: TensorLike) =>
  bind("compare", pair(name, x, y), { op });
const exchanged = (op: Comparison, name: string) => (x: Tensor, y: TensorLike) =>
  bind("compare", pair(name, x, y).reverse(), { op });
const bitwise = (primitive: BitwisePrimitive) => (x: Tensor, y: TensorLike) =>
  bind(primitive, pair(primitive, x, y), {});

export const equal: (x: Tensor, y: TensorLike) => Tensor = comparison("eq", "equal");
export const notEqual: (x: Tensor, y: TensorLike) => Tensor = comparison("ne", "notEqual");
export const less: (x: Tensor, y: TensorLike) => Tensor = comparison("lt", "less");
export const lessEqual: (x: Tensor, y: TensorLike) => Tensor = comparison("le", "lessEqual");
export const greater: (x: Tensor, y: TensorLike) => Tensor = exchanged("lt", "greater");
export const greaterEqual: (x: Tensor, y: TensorLike) => Tensor = exchanged("le", "greaterEqual");

/** Logical on bool, bit by bit on i32 and u32. */
export const and: (x: Tensor, y: TensorLike) => Tensor = bitwise("and");
export const or: (x: Tensor, y: TensorLike) => Tensor = bitwise("or");
export const xor: (x: Tensor, y: TensorLike) => Tensor = bitwise("xor");
export const shiftLeft: (x: Tensor, count: TensorLike) => Tensor = bitwise("shiftLeft");
/** Arithmetic on i32, logical on u32. */
export const shiftRight: (x: Tensor, count: TensorLike) => Tensor = bitwise("shiftRight");
export const not = (x: Tensor): Tensor => bind("not", [x], {});

/** `condition ? x : y`, element by element; all three broadcast together. */
export function where(condition: Tensor, x: TensorLike, y: TensorLike): Tensor {
  const dtype = x instanceof Tensor ? x.dtype : y instanceof Tensor ? y.dtype : lift(x, "f32").dtype;
  const [left, right] = [lift(x, dtype), lift(y, dtype)];
  const shape = broadcastShapes("where", condition.shape, left.shape, right.shape);
  const operands = [condition, left, right].map((operand) => broadcastTo(operand, shape));
  return bind("select", operands, {});
}

/** Clamped to [min, max]; the gradient passes strictly inside, and NaN stays NaN. */
export function clip(x: Tensor, min: TensorLike, max: TensorLike): Tensor {
  const [low, high] = [lift(min, x.dtype), lift(max, x.dtype)];
  return where(lessEqual(x, low), low, where(greaterEqual(x, high), high, x));
}
