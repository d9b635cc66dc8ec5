/** Tokens that are characters (Unicode code points), numbered in their order. */
import { DataRangeError } from "../errors.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { checkedToken } from "./tokenizer.ts";

/** The characters that occur in `text` become the vocabulary. */
export function fitCharacters(text: string): Tokenizer {
  return characterTokenizer([...new Set(text)].sort(byCodePoint).join(""));
}

/** @param characters each once; their places are their tokens */
export function characterTokenizer(characters: string): Tokenizer {
  const list = Array.from(characters);
  const tokens = new Map(list.map((character, token) => [character, token]));
  if (tokens.size === 0 || tokens.size !== list.length) {
    throw new DataRangeError(`expected at least one character and each once, got ${list.length - tokens.size} twice`);
  }
  return {
    vocabulary: list.length,
    encode(text) {
      return Int32Array.from(text, (character) => {
        const token = tokens.get(character);
        if (token !== undefined) return token;
        throw new DataRangeError(
          `no token for ${JSON.stringify(character)}; the text that was fitted has only ${list.length} characters, this is not one`,
        );
      });
    },
    decode: (text) => Array.from(text, (token) => list[checkedToken(token, list.length)]).join(""),
    toJSON: () => ({ kind: "characters", characters }),
  };
}

const byCodePoint = (a: string, b: string) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0);
