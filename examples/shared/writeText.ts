/** Text from a language model, token by token: each is drawn from what the model expects after those before it. */
import type { Tokenizer } from "@weft/data";
import type { LayerLike, Parameters, State } from "@weft/nn";
import { applyWithState, initialState } from "@weft/nn";
import type { Tensor } from "@weft/tensor";
import { compile, foldIn, key, tensor, uniform } from "@weft/tensor";

export interface WriteOptions {
  readonly prompt: string;
  /** Tokens to write. */
  readonly length: number;
  /** Below 1 the likely becomes likelier; near 0 only the likeliest is written. Default 0.8. */
  readonly temperature?: number;
  /** The most tokens that the model can look back on; without it there is no end to that, as in a recurrent model. */
  readonly context?: number;
  readonly seed?: number;
}

/** The prompt and what the model writes after it. */
export function writeText(
  model: LayerLike,
  parameters: Parameters,
  tokenizer: Tokenizer,
  options: WriteOptions,
): string {
  const { prompt, length, temperature = 0.8, context = Infinity, seed = 0 } = options;
  /** Reads tokens [1, n] on from a state and draws the one that follows. */
  const next = compile((parameters: Parameters, state: State, tokens: Tensor, count: Tensor) => {
    const { output, state: after } = applyWithState(model, parameters, tokens, { state });
    const logits = output.at(0, -1).div(temperature); // [vocabulary]
    // The largest of logits with Gumbel noise is a draw from their softmax (Gumbel 1954).
    const noise = uniform(foldIn(key(seed), count), logits.shape, { min: 1e-7 })
      .log()
      .neg()
      .log()
      .neg();
    return [logits.add(noise).argmax(), after] as const;
  });
  const emptyState = () =>
    initialState(model, { shape: [1, 1], dtype: "i32" }, context === Infinity ? {} : { length: context });

  const written = Array.from(tokenizer.encode(prompt)).slice(-context);
  let [state, unread] = [emptyState(), [...written]];
  let read = 0;
  for (let count = 0; count < length; count++) {
    if (read + unread.length > context) {
      // No more room to remember: begin again with the last half.
      [state, unread, read] = [emptyState(), written.slice(-Math.floor(context / 2)), 0];
    }
    const input = tensor(Int32Array.from(unread), { shape: [1, unread.length] });
    const [token, after] = next(parameters, state, input, tensor(count, { dtype: "i32" }));
    read += unread.length;
    unread = [token.itemSync()];
    state = after;
    written.push(...unread);
  }
  return tokenizer.decode(written);
}
