/** In a browser every byte is loaded, so no backend is there unless it is asked for. */
import type { Backend } from "./backend.ts";
import { BackendError } from "./errors.ts";

export function defaultBackend(): Backend {
  throw new BackendError(
    "expected a backend, got none; call setBackend(createWasmBackend()) of @weft/wasm, or setBackend(createReferenceBackend()) of @weft/tensor/reference",
  );
}
