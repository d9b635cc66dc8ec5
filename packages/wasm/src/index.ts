/** The WebAssembly CPU backend: see README.md. */
export { createWasmBackend } from "./backend.ts";
export type { WasmBackendOptions } from "./backend.ts";
