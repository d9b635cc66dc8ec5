/** Federated averaging on MNIST: the two-layer, 200-unit network of McMahan et al. 2017, 10 of 100 workers a round. */
import { defineJob, federated, iid } from "weft";
import { mnist } from "@weft/data";
import { accuracy, dense, flatten, relu, sequential, softmaxCrossEntropy } from "@weft/nn";
import { sgd } from "@weft/optim";

export default defineJob({
  name: "federated-mnist",
  data: mnist(),
  model: sequential(flatten, dense({ features: 200 }), relu, dense({ features: 200 }), relu, dense({ features: 10 })),
  loss: softmaxCrossEntropy,
  metrics: { accuracy },
  round: federated({
    partition: iid(),
    cohort: { fraction: 0.1 },
    local: { epochs: 1, batchSize: 10, optimizer: sgd({ learningRate: 0.1 }) },
    server: sgd({ learningRate: 1 }),
  }),
  stop: { rounds: 60, target: { metric: "accuracy", value: 0.97 } },
});
