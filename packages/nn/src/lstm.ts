/** Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000). */
import { concat, full } from "@weft/tensor";
import type { Initializer } from "./initializers.ts";
import type { Layer } from "./layer.ts";
import type { RecurrentFunction, RecurrentOptions } from "./recurrent.ts";
import { recurrent } from "./recurrent.ts";

export interface LstmOptions extends RecurrentOptions {
  /** First bias of the forget gate; default 1, so that memory lasts from the start (Jozefowicz et al. 2015). */
  readonly forgetBias?: number;
}

/**
 * Along the time of x [batch, time, in]: i, f, o = sigmoid, g = tanh of the blocks of x·kernel + h·recurrent + bias, in the
 * order i, f, g, o; c ← f·c + i·g, h ← o·tanh(c). Parameters: `kernel` [in, 4 features], `recurrent` [features, 4 features],
 * `bias` [4 features]. State: `h` and `c`.
 */
export function lstm(options: LstmOptions): Layer<RecurrentFunction> {
  const { forgetBias = 1 } = options;
  return recurrent(
    {
      kind: "lstm",
      options: ["forgetBias"],
      blocks: 4,
      state: ["h", "c"],
      biasInitializer: forgetting(forgetBias),
      step({ sum }, before) {
        const [input, forget, output] = [sum(0).sigmoid(), sum(1).sigmoid(), sum(3).sigmoid()] as const;
        const c = forget.mul(before("c")).add(input.mul(sum(2).tanh()));
        return { h: output.mul(c.tanh()), c };
      },
    },
    options,
  );
}

const forgetting =
  (value: number): Initializer =>
  (_, [width = 0]) => {
    const size = width / 4;
    return concat([full([size], 0), full([size], value), full([2 * size], 0)]);
  };
