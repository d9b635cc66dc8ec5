/** The convolutional network of the classic Keras MNIST example, trained data-parallel. */
import { defineJob, dataParallel } from "weft";
import { mnist } from "@weft/data";
import { accuracy, conv2d, dense, dropout, flatten, maxPool2d, relu, sequential, softmaxCrossEntropy } from "@weft/nn";
import { adam } from "@weft/optim";

export default defineJob({
  name: "mnist-cnn",
  data: mnist(),
  model: sequential(
    conv2d({ features: 32, kernel: 3 }),
    relu,
    maxPool2d({ window: 2 }),
    flatten,
    dense({ features: 128 }),
    relu,
    dropout({ rate: 0.5 }),
    dense({ features: 10 }),
  ),
  loss: softmaxCrossEntropy,
  metrics: { accuracy },
  round: dataParallel({ batchSize: 64, optimizer: adam({ learningRate: 1e-3 }) }),
  stop: { epochs: 2 },
});
