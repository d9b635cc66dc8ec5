/** The tensor core: see README.md. */
export * from "./dtype.ts";
export * from "./errors.ts";
export * from "./primitive.ts";
export * from "./program.ts";
export * from "./backend.ts";
export { infer } from "./infer.ts";
export { Tensor, bind, bindAll, placeholder } from "./graph.ts";
export type { DataNode, Node, OperationNode, PlaceholderNode } from "./graph.ts";
export { toProgram, trace } from "./trace.ts";
export { apply } from "./apply.ts";
export { grad, valueAndGrad, valueAuxAndGrad } from "./grad.ts";
export type { Argument, GradOptions, GradientOf } from "./grad.ts";
export { vmap } from "./vmap.ts";
export type { BatchAxis, VmapOptions } from "./vmap.ts";
