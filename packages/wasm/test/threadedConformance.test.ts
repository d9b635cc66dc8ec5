/** With threads, and every kernel divided that has tiles, the backend passes the same suite, also with more threads than cores. */
import { afterAll } from "vitest";
import { conformanceSuite } from "../../tensor/test/conformance/conformanceSuite.ts";
import { createBackend } from "../src/backend.ts";
import type { WasmBackend } from "../src/index.ts";

const backends: WasmBackend[] = [];
function create(threads: number): WasmBackend {
  const backend = createBackend({ threads, worthMs: 0 });
  backends.push(backend);
  return backend;
}
afterAll(() => {
  for (const backend of backends) backend.dispose();
});

conformanceSuite("wasm with 2 threads", () => create(2));
conformanceSuite("wasm with 3 threads", () => create(3));
