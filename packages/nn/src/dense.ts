/** The fully connected layer. */
import { ShapeError, typeText } from "@weft/tensor";
import type { Initializer } from "./initializers.ts";
import { glorotUniform, zeros } from "./initializers.ts";
import type { Layer } from "./layer.ts";
import { define } from "./layer.ts";
import { checkCount, checkOptions } from "./settings.ts";

export interface DenseOptions {
  /** Size of the output. */
  readonly features: number;
  /** Default true. */
  readonly useBias?: boolean;
  /** Default `glorotUniform()`. */
  readonly kernelInitializer?: Initializer;
  /** Default `zeros()`. */
  readonly biasInitializer?: Initializer;
}

/** x [batch, in] or [batch, time, in] → x·kernel + bias. Parameters: `kernel` [in, features], `bias` [features]. */
export function dense(options: DenseOptions): Layer {
  const { features, useBias = true, kernelInitializer = glorotUniform(), biasInitializer = zeros() } = options;
  checkOptions("dense", options, ["features", "useBias", "kernelInitializer", "biasInitializer"]);
  checkCount("dense", "features", features);
  return define(
    ({ parameter }) =>
      (x) => {
        if (x.rank !== 2 && x.rank !== 3) {
          const remedy = x.rank < 2 ? "add a batch axis" : "put flatten before it, or use conv2d with kernel: 1";
          throw new ShapeError(
            `dense: expected [batch, features] or [batch, time, features], got ${typeText(x)}; ${remedy}`,
          );
        }
        const kernel = parameter("kernel", [x.shape.at(-1) ?? 0, features], kernelInitializer);
        const y = x.matmul(kernel);
        return useBias ? y.add(parameter("bias", [features], biasInitializer)) : y;
      },
    { kind: "dense" },
  );
}
