/** A denoising autoencoder (Vincent et al. 2008) on MNIST: through 64 numbers, and back to the image without its noise. */
import type { Dataset, DatasetSource } from "@weft/data";
import { mnist } from "@weft/data";
import { dense, flatten, meanSquaredError, relu, reshape, sequential, sigmoid } from "@weft/nn";
import { adam } from "@weft/optim";
import { dataParallel, defineJob } from "weft";

export default defineJob({
  name: "denoiser",
  data: imagePairs(),
  model: sequential(
    flatten,
    dense({ features: 256 }),
    relu,
    dense({ features: 64 }), // all that is known of an image
    dense({ features: 256 }),
    relu,
    dense({ features: 784 }),
    sigmoid,
    reshape([28, 28, 1]),
  ),
  loss: meanSquaredError,
  round: dataParallel({ batchSize: 64, optimizer: adam({ learningRate: 1e-3 }) }),
  stop: { epochs: 3 },
});

/** MNIST with each image as its own target; noise is added to the input alone, while training. */
function imagePairs(): DatasetSource {
  return {
    name: "mnist-pairs",
    async load() {
      const { train, test } = await mnist().load();
      return { train: paired(train), test: paired(test) };
    },
  };
}

function paired({ contract, size, columns }: Dataset): Dataset {
  const fields = contract.fields.slice(0, 1).flatMap((image) => [image, { ...image, name: "target" }]);
  return { contract: { fields }, size, columns: columns.slice(0, 1).flatMap((pixels) => [pixels, pixels]) };
}
