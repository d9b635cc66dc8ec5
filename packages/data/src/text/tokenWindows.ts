/** Windows of a long row of tokens, each with the same window one token later: what a language model learns from. */
import type { DataContract, Dataset, FieldContract } from "../contract.ts";
import { DataRangeError } from "../errors.ts";

export interface TokenWindowOptions {
  /** Tokens in one example. */
  readonly window: number;
  /** From the start of one window to that of the next; default `window`, so that every token is predicted once. */
  readonly stride?: number;
  /** Tokens are 0..vocabulary − 1. */
  readonly vocabulary: number;
}

/**
 * tokens i32[window] → next i32[window]. What is left at the end, less than a window, is dropped.
 *
 * @throws {DataRangeError} when there are too few tokens for one window, or one is outside the vocabulary
 */
export function tokenWindows(tokens: ArrayLike<number>, options: TokenWindowOptions): Dataset {
  const { window, stride = window, vocabulary } = options;
  for (const [name, value] of Object.entries({ window, stride, vocabulary })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new DataRangeError(`tokenWindows: expected a whole ${name} from 1, got ${value}`);
    }
  }
  const size = Math.floor((tokens.length - 1 - window) / stride) + 1;
  if (size < 1) {
    throw new DataRangeError(
      `tokenWindows: a window of ${window} needs ${window + 1} tokens, got ${tokens.length}; bring more text or shorten the window`,
    );
  }
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i]! < vocabulary && tokens[i]! >= 0) continue;
    throw new DataRangeError(`tokenWindows: token ${tokens[i]} is outside a vocabulary of ${vocabulary}`);
  }
  const contract = tokenContract(window, vocabulary);
  const columns = [0, 1].map((later) => {
    const column = vocabulary <= 256 ? new Uint8Array(size * window) : new Int32Array(size * window);
    for (let row = 0, to = 0; row < size; row++) {
      for (let i = 0; i < window; i++) column[to++] = tokens[row * stride + i + later]!;
    }
    return column;
  });
  return { contract, size, columns };
}

function tokenContract(window: number, vocabulary: number): DataContract {
  const field = (name: string): FieldContract => ({
    name,
    shape: [window],
    dtype: "i32",
    stored: vocabulary <= 256 ? "u8" : "i32",
    scale: 1,
    range: [0, vocabulary - 1],
  });
  return { fields: [field("tokens"), field("next")] };
}
