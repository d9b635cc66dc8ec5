/** The wasm backend passes the suite of every backend, and the golden vectors. */
import { conformanceSuite } from "../../tensor/test/conformance/conformanceSuite.ts";
import { runOperationVectors } from "../../tensor/test/vectors/run.ts";
import { createWasmBackend } from "../src/index.ts";

conformanceSuite("wasm", createWasmBackend);
conformanceSuite("wasm without fused multiply-add", () => createWasmBackend({ relaxed: false }));
runOperationVectors("wasm", createWasmBackend(), "f32");
