import { createReferenceBackend } from "@weft/tensor/reference";
import { runOperationVectors } from "../../tensor/test/vectors/run.ts";
import { layerOperations } from "./layerVectors.ts";

runOperationVectors("layers, reference", createReferenceBackend(), "f64", layerOperations);
runOperationVectors("layers, reference", createReferenceBackend(), "f32", layerOperations);
