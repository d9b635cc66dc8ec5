/** WebAssembly at run time: expressions, functions, modules. See README.md. */
export * from "./expression.ts";
export { f64x2, i64x2 } from "./f64x2.ts";
export { hasRelaxedSimd, hasSimd } from "./features.ts";
export { FunctionBuilder, type FunctionHandle, type Label, type LocalsOf, type Range } from "./functionBuilder.ts";
export { compileAlone, type InstantiatedModule, instantiateAlone } from "./instantiate.ts";
export { type FunctionOptions, largestPages, ModuleBuilder, type ParamLocals } from "./moduleBuilder.ts";
export { type F32, f32, type F64, f64, type I32, i32, minimum } from "./scalar.ts";
export { i16x8, i8x16 } from "./narrowLanes.ts";
export { f32x4, i32x4, v128, type V128 } from "./simd.ts";
