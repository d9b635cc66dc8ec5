/** The WebAssembly CPU backend: see README.md. */
export { createWasmBackend } from "./backend.ts";
export type { WasmBackend, WasmBackendOptions } from "./backend.ts";
export { BlasError } from "./native/blas.ts";
export type { BlasChoice } from "./native/blas.ts";
