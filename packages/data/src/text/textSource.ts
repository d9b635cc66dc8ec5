/** A text as a dataset of token windows: its beginning to train on, its end to test with. */
import type { DatasetSource } from "../contract.ts";
import { DataRangeError } from "../errors.ts";
import { trainBytePairs } from "./bytePairs.ts";
import { fitCharacters } from "./characters.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { tokenWindows } from "./tokenWindows.ts";

export interface TextOptions {
  /** Tokens in one example. */
  readonly window: number;
  /** From the start of one window to that of the next; default `window`. */
  readonly stride?: number;
  /** Share of the text, at its end, that is for testing; default 0.1. */
  readonly test?: number;
  /**
   * "characters" (the default) fits them on the whole text; a vocabulary size trains byte pairs on the part that is trained on; or
   * a tokeniser of one's own.
   */
  readonly tokens?: "characters" | { readonly bytePairs: number } | Tokenizer;
}

/** tokens i32[window] → next i32[window]; see `tokenWindows`. */
export interface TextSource extends DatasetSource {
  /** Turns prompts into tokens, and what a model writes into text. */
  readonly tokenizer: Tokenizer;
}

/** @param name for messages and listings */
export function textSource(name: string, text: string, options: TextOptions): TextSource {
  const { window, stride = window, test = 0.1, tokens = "characters" } = options;
  if (!(test > 0 && test < 1)) {
    throw new DataRangeError(`${name}: expected a test share above 0 and below 1, got ${test}; give for example 0.1`);
  }
  const cut = wholeCharacters(text, Math.floor(text.length * (1 - test)));
  const parts = { train: text.slice(0, cut), test: text.slice(cut) };
  const tokenizer = tokenizerFor(tokens, parts.train, text);
  const { vocabulary } = tokenizer;
  const windows = (part: string) => tokenWindows(tokenizer.encode(part), { window, stride, vocabulary });
  return {
    name,
    tokenizer,
    load: () => Promise.resolve({ train: windows(parts.train), test: windows(parts.test) }),
  };
}

function tokenizerFor(tokens: NonNullable<TextOptions["tokens"]>, trained: string, whole: string): Tokenizer {
  if (tokens === "characters") return fitCharacters(whole);
  return "bytePairs" in tokens ? trainBytePairs(trained, { vocabulary: tokens.bytePairs }) : tokens;
}

/** Moves a cut off the middle of a surrogate pair. */
function wholeCharacters(text: string, cut: number): number {
  const code = text.charCodeAt(cut);
  return code >= 0xdc00 && code <= 0xdfff ? cut + 1 : cut;
}
