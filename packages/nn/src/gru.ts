/** The gated recurrent unit (Cho et al. 2014), in the variant that resets after the product, as cuDNN and PyTorch have it. */
import type { Layer } from "./layer.ts";
import type { RecurrentFunction, RecurrentOptions } from "./recurrent.ts";
import { recurrent } from "./recurrent.ts";

/**
 * Along the time of x [batch, time, in], with X = x·kernel + bias and H = h·recurrent + recurrentBias in blocks r, z, n:
 * r, z = sigmoid(X + H), n = tanh(X + r·H), h ← (1 − z)·n + z·h. Parameters: `kernel` [in, 3 features], `recurrent`
 * [features, 3 features], `bias` and `recurrentBias` [3 features]. State: `h`.
 */
export function gru(options: RecurrentOptions): Layer<RecurrentFunction> {
  return recurrent(
    {
      kind: "gru",
      blocks: 3,
      state: ["h"],
      recurrentBias: true,
      step({ x, h, sum }, before) {
        const [reset, keep] = [sum(0).sigmoid(), sum(1).sigmoid()] as const;
        const candidate = x(2)
          .add(reset.mul(h(2)))
          .tanh();
        return { h: candidate.add(keep.mul(before("h").sub(candidate))) };
      },
    },
    options,
  );
}
