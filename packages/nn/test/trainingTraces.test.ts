import { createReferenceBackend } from "@weft/tensor/reference";
import { testTrainingTraces } from "./trainingTraces.ts";

testTrainingTraces(createReferenceBackend, { dtypes: ["f64"], models: ["mlp", "cnn", "autoencoder", "lstm"] });
testTrainingTraces(createReferenceBackend, { dtypes: ["f64"], models: ["transformer"], steps: 2 });
