/** Which primitives are worth keeping the results of, and which are worth doing for all steps of a loop at once. */
import type { Primitive } from "../program.ts";

const cheap = new Set<Primitive>([
  ...(["constant", "iota", "identity", "stopGradient", "cast", "select", "compare", "not"] as const),
  ...(["neg", "abs", "sign", "floor", "ceil", "round", "sqrt", "add", "sub", "mul", "div", "max", "min"] as const),
  ...(["and", "or", "xor", "shiftLeft", "shiftRight"] as const),
  ...(["reshape", "transpose", "broadcast", "slice", "pad", "concat", "reverse"] as const),
]);

const batchable = new Set<Primitive>(["dot", "conv", "convInputGradient", "convKernelGradient", "gather"]);

/** Whether computing it again costs no more than storing and loading it: arithmetic of few instructions, and moving. */
export const isCheap = (primitive: Primitive): boolean => cheap.has(primitive);

/** Whether one large application is faster than as many small ones. */
export const isBatchable = (primitive: Primitive): boolean => batchable.has(primitive);
