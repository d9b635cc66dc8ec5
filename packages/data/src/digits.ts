/** The digits of the UCI repository (Alpaydin and Kaynak 1998), as scikit-learn ships them: 1,797 images of 8 × 8. */
import { fileURLToPath } from "node:url";
import { loadCsv } from "./loadCsv.ts";
import { selectDataset } from "./selectDataset.ts";
import type { DatasetSource } from "./contract.ts";
import { imageContract } from "./digitsContract.ts";

/** image f32[8,8,1] in 0..1, label i32[] in 0..9. Every fifth example, from the first, is for testing. */
export function digits(): DatasetSource {
  return {
    name: "digits",
    async load() {
      const path = fileURLToPath(new URL("../assets/digits.csv.gz", import.meta.url));
      const whole = await loadCsv(path, imageContract({ side: 8, scale: 1 / 16 }));
      const indices = Array.from({ length: whole.size }, (_, i) => i);
      return {
        train: selectDataset(
          whole,
          indices.filter((i) => i % 5 !== 0),
        ),
        test: selectDataset(
          whole,
          indices.filter((i) => i % 5 === 0),
        ),
      };
    },
  };
}
