/** The golden vectors on the reference backend, which has both float types. */
import { createReferenceBackend } from "@weft/tensor/reference";
import { runOperationVectors } from "./vectors/run.ts";

runOperationVectors("reference", createReferenceBackend(), "f64");
runOperationVectors("reference", createReferenceBackend(), "f32");
