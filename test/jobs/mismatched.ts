/** A job whose model does not fit its data: a convolution over vectors. */
import { conv2d, sequential } from "@weft/nn";
import { syntheticRegression } from "@weft/data";
import { digitsJob } from "../support/digitsJob.ts";

export default digitsJob({
  data: syntheticRegression({ examples: 10, features: 3, noise: 0.1, seed: 1 }),
  model: sequential(conv2d({ features: 4, kernel: 3 })),
});
