/** A job so small that nothing but its million workers weighs: a line through two million points, two for each. */
import type { Dataset } from "@weft/data";
import { dense, meanSquaredError, sequential } from "@weft/nn";
import { sgd } from "@weft/optim";
import { defineJob, federated, iid } from "weft";

const field = { dtype: "f32", stored: "f32", scale: 1, shape: [1] } as const;
const contract = {
  fields: [
    { name: "x", ...field },
    { name: "y", ...field },
  ],
};

function line(size: number): Dataset {
  const x = Float32Array.from({ length: size }, (_, i) => (2 * i) / size - 1);
  return { contract, size, columns: [x, x.map((value) => 2 * value + 1)] };
}

export default defineJob({
  name: "million",
  data: { name: "line", load: () => Promise.resolve({ train: line(2_000_000), test: line(1000) }) },
  model: sequential(dense({ features: 1 })),
  loss: meanSquaredError,
  round: federated({
    partition: iid(),
    cohort: { count: 100 },
    local: { steps: 1, batchSize: 2, optimizer: sgd({ learningRate: 0.2 }) },
    server: sgd({ learningRate: 1 }),
  }),
  stop: { rounds: 20 },
});
