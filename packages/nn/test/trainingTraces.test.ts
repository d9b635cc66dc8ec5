import { createReferenceBackend } from "@weft/tensor";
import { testTrainingTraces } from "./trainingTraces.ts";

testTrainingTraces(createReferenceBackend, ["f64", "f32"]);
