/** What a tokeniser is: text to whole numbers and back, and itself as plain data. */
import { DataRangeError } from "../errors.ts";

export interface Tokenizer {
  /** Tokens are 0..vocabulary − 1. */
  readonly vocabulary: number;
  /** @throws {DataRangeError} when the text holds what this tokeniser has no token for */
  readonly encode: (text: string) => Int32Array;
  /** @throws {DataRangeError} for a token outside the vocabulary */
  readonly decode: (tokens: ArrayLike<number>) => string;
  /** Plain JSON data, from which `tokenizerFrom` makes this tokeniser again. */
  readonly toJSON: () => TokenizerData;
}

export type TokenizerData =
  | { readonly kind: "characters"; readonly characters: string }
  /** Merge i makes token 256 + i of two earlier tokens. */
  | { readonly kind: "bytePairs"; readonly merges: readonly (readonly [number, number])[] };

export function checkedToken(token: number | undefined, vocabulary: number): number {
  if (token !== undefined && Number.isInteger(token) && token >= 0 && token < vocabulary) return token;
  throw new DataRangeError(
    `token ${token} is outside a vocabulary of ${vocabulary}; decode what this tokeniser encoded`,
  );
}
