/** All steps of all networks on the reference backend, which takes a minute. */
import { createReferenceBackend } from "@weft/tensor/reference";
import { testTrainingTraces } from "./trainingTraces.ts";

testTrainingTraces(createReferenceBackend, { dtypes: ["f64", "f32"] });
