/** The models that the contests train. */
import { mnist, selectDataset } from "@weft/data";
import { accuracy, dense, flatten, relu, sequential, softmaxCrossEntropy } from "@weft/nn";

const classified = { data: mnist(), loss: softmaxCrossEntropy, metrics: { accuracy } };

/** The two-layer network of the FedAvg paper. */
export const twoLayers = {
  ...classified,
  model: sequential(flatten, dense({ features: 200 }), relu, dense({ features: 200 }), relu, dense({ features: 10 })),
};

/** Multinomial logistic regression on every sixth example: convex, as in SCAFFOLD's experiments, and quick. */
export const logistic = {
  ...classified,
  model: sequential(flatten, dense({ features: 10 })),
  data: {
    name: "a sixth of mnist",
    load: async () => {
      const { train, test } = await mnist().load();
      const rows = Uint32Array.from({ length: Math.floor(train.size / 6) }, (_, i) => 6 * i);
      return { train: selectDataset(train, rows), test };
    },
  },
};
