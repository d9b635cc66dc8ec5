/** The simple recurrent layer (Elman 1990). */
import type { Layer, TensorFunction } from "./layer.ts";
import { tanh } from "./activations.ts";
import type { RecurrentFunction, RecurrentOptions } from "./recurrent.ts";
import { recurrent } from "./recurrent.ts";

export interface RnnOptions extends RecurrentOptions {
  /** Default tanh. */
  readonly activation?: TensorFunction;
}

/** h ← tanh(x·kernel + h·recurrent + bias) along the time of x [batch, time, in]. State: `h`. */
export function rnn(options: RnnOptions): Layer<RecurrentFunction> {
  const { activation = tanh } = options;
  return recurrent(
    {
      kind: "rnn",
      options: ["activation"],
      blocks: 1,
      state: ["h"],
      step: ({ sum }) => ({ h: activation(sum(0)) }),
    },
    options,
  );
}
