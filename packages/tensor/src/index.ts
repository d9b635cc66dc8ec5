/** The tensor core: see README.md. */
export { allocate, arrayOf, bytesPerElement, isFloat, isInteger } from "./dtype.ts";
export type { DataOf, DType, TensorData } from "./dtype.ts";
export * from "./errors.ts";
export { binaryNames, bitwiseNames, unaryNames } from "./primitive.ts";
export type * from "./primitive.ts";
export * from "./program.ts";
export * from "./backend.ts";
export { infer } from "./infer.ts";
export { Tensor, bind, bindAll, placeholder } from "./graph.ts";
export type { DataNode, Node, OperationNode, PlaceholderNode } from "./graph.ts";
export { toProgram, trace } from "./trace.ts";
export { apply } from "./apply.ts";
export { grad, valueAndGrad, valueAuxAndGrad } from "./grad.ts";
export type { Argument, GradOptions, GradientOf } from "./grad.ts";
export { checkpoint } from "./checkpoint.ts";
export { customVjp } from "./customVjp.ts";
export type { Cotangents, ForwardPass } from "./customVjp.ts";
export { vmap } from "./vmap.ts";
export type { BatchAxis, VmapOptions } from "./vmap.ts";
import "./methods.ts";
export { adopt, arange, eye, full, lift, linspace, ones, scalar, tensor, zeros } from "./create.ts";
export type * from "./create.ts";
export * from "./operations/activations.ts";
export * from "./operations/arithmetic.ts";
export { broadcastTo } from "./operations/broadcast.ts";
export * from "./operations/compare.ts";
export { conv1d, conv2d, convTranspose1d, convTranspose2d } from "./operations/conv.ts";
export type { ConvOptions, ConvTransposeOptions, Padding } from "./operations/conv.ts";
export { einsum } from "./operations/einsum.ts";
export * from "./operations/gather.ts";
export { inF32 } from "./operations/inF32.ts";
export * from "./operations/join.ts";
export * from "./operations/matmul.ts";
export * from "./operations/pad.ts";
export * from "./operations/pool.ts";
export * from "./operations/reduce.ts";
export * from "./operations/shape.ts";
export { at, slice, split, tril, triu } from "./operations/slice.ts";
export type { Index } from "./operations/slice.ts";
export * from "./operations/sort.ts";
export * from "./random.ts";
export { realize, realizeSync } from "./evaluate.ts";
export { compile, release } from "./compile.ts";
export type { CompileStepOptions } from "./compile.ts";
export { flatten as flattenTree, mapTree, structureText, unflatten as unflattenTree } from "./tree.ts";
export type { FlatTree, Structure, Tree } from "./tree.ts";
export { currentBackend, setBackend } from "./backends.ts";
export { schedule } from "./schedule/schedule.ts";
export type { ScheduleOptions } from "./schedule/schedule.ts";
export { inlineCalls } from "./schedule/regions.ts";
export { simplify } from "./schedule/simplify.ts";
export { widenHalves } from "./schedule/widenHalves.ts";
export { planMemory } from "./schedule/memory.ts";
export type { MemoryPlan, MemoryRequest, MemoryStep } from "./schedule/memory.ts";
export type {
  Access,
  BufferSpec,
  Loop,
  LoopOp,
  LoopOperand,
  LoopResult,
  Place,
  Schedule,
  Step,
} from "./schedule/step.ts";
export { scan } from "./scan.ts";
export type { ScanOptions } from "./scan.ts";
export { programText } from "./programText.ts";
