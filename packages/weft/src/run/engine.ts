/** The engine of this process: the WASM backend with the system's BLAS library, if there is one; made once. */
import { setBackend } from "@weft/tensor";
import type { WasmBackend } from "@weft/wasm";
import { createWasmBackend } from "@weft/wasm";

let engine: WasmBackend | undefined;

export interface EngineOptions {
  /** How many threads compute; `"auto"` for one on each core. */
  readonly threads: number | "auto";
}

/** Makes the WASM backend the current one; later calls change nothing, and get the engine that is there. */
export function useEngine(options: EngineOptions): WasmBackend {
  if (engine === undefined) {
    engine = createWasmBackend({ ...options, blas: "auto" });
    setBackend(engine);
  }
  return engine;
}
