/** The engine of this process: the WASM backend, made once. */
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";

let ready = false;

/** Makes the WASM backend the current one; later calls do nothing. */
export function useEngine(): void {
  if (ready) return;
  setBackend(createWasmBackend());
  ready = true;
}
