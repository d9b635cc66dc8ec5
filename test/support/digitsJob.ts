/** A small job on the UCI digits, for tests that want rounds by the second. */
import type { JobDefinition } from "weft";
import { dataParallel, defineJob } from "weft";
import { digits } from "@weft/data";
import { accuracy, dense, flatten, relu, sequential, softmaxCrossEntropy } from "@weft/nn";
import { adam } from "@weft/optim";

export const digitsJob = (changes: Partial<JobDefinition> = {}) =>
  defineJob({
    name: "digits",
    data: digits(),
    model: sequential(flatten, dense({ features: 32 }), relu, dense({ features: 10 })),
    loss: softmaxCrossEntropy,
    metrics: { accuracy },
    round: dataParallel({ batchSize: 32, optimizer: adam({ learningRate: 3e-3 }) }),
    stop: { rounds: 60 },
    seed: 7,
    ...changes,
  });
