/** The WebAssembly CPU backend: see README.md. */
export { createWasmBackend } from "./backend.ts";
export type { WasmBackendOptions } from "./backend.ts";
export type { KernelFactory, KernelSource } from "./kernel.ts";
export { compilePlan } from "./compile.ts";
export { kernelTable } from "./kernelTable.ts";
export type { Plan, PlanStep } from "./plan.ts";
