/** Layers and whole networks of @weft/nn on the wasm backend, against PyTorch. */
import { layerOperations } from "../../nn/test/layerVectors.ts";
import { testTrainingTraces } from "../../nn/test/trainingTraces.ts";
import { runOperationVectors } from "../../tensor/test/vectors/run.ts";
import { createWasmBackend } from "../src/index.ts";

testTrainingTraces(createWasmBackend, { dtypes: ["f32"] });
runOperationVectors("layers, wasm", createWasmBackend(), "f32", layerOperations);
