/** A sequence read from both ends (Schuster and Paliwal 1997). */
import type { Tensor } from "@weft/tensor";
import { concat } from "@weft/tensor";
import { ModelError } from "./errors.ts";
import type { Layer, LayerLike } from "./layer.ts";
import { define } from "./layer.ts";
import { checkOptions } from "./settings.ts";

const merges = {
  concat: (forward: Tensor, backward: Tensor) => concat([forward, backward], -1),
  sum: (forward: Tensor, backward: Tensor) => forward.add(backward),
  mean: (forward: Tensor, backward: Tensor) => forward.add(backward).mul(0.5),
} as const;

export interface BidirectionalOptions {
  /** How the two outputs join: side by side along the features (the default), added, or averaged. */
  readonly merge?: keyof typeof merges;
}

/**
 * Two copies of a layer, one from the first step on, one from the last; outputs of the same step meet. Parameters:
 * `forward.…` and `backward.…`. With `output: "last"` inside, each gives what it has at its own end. Needs whole sequences.
 */
export function bidirectional(layer: LayerLike, options: BidirectionalOptions = {}): Layer {
  const { merge = "concat" } = options;
  checkOptions("bidirectional", options, ["merge"]);
  if (!Object.hasOwn(merges, merge)) {
    throw new ModelError(
      `bidirectional: merge must be one of ${Object.keys(merges).join(", ")}, got ${JSON.stringify(merge)}`,
    );
  }
  return define(
    (scope) => {
      const [forward, backward] = [scope.layer("forward", layer), scope.layer("backward", layer)];
      return (x) => {
        if (scope.inParts) {
          throw new ModelError(
            "bidirectional: needs whole sequences, and a state hands them over in parts; call apply without a state",
          );
        }
        const ahead = forward(x);
        const reversed = backward(x.flip(1));
        return merges[merge](ahead, reversed.rank === x.rank ? reversed.flip(1) : reversed);
      };
    },
    { kind: "bidirectional" },
  );
}
