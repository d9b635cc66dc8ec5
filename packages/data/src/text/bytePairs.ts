/**
 * Byte-pair encoding (Sennrich, Haddow and Birch 2016) over the bytes of UTF-8, as in GPT-2 (Radford et al. 2019): every text
 * has an encoding. Merges stay within words: runs of letters, digits or other signs with at most one space before them.
 */
import { DataRangeError } from "../errors.ts";
import { createPairCounts } from "./pairCounts.ts";
import type { Tokenizer, TokenizerData } from "./tokenizer.ts";
import { checkedToken } from "./tokenizer.ts";

type Merges = Extract<TokenizerData, { kind: "bytePairs" }>["merges"];

const words = / ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+/gu;
const byteCount = 256;

/**
 * Joins the most frequent pair of neighbours again and again; of equally frequent pairs the one of lower tokens goes first, so
 * that the same text gives the same tokens. Ends early when no pair occurs twice.
 *
 * @param options.vocabulary tokens in all, the 256 bytes included
 */
export function trainBytePairs(text: string, { vocabulary }: { readonly vocabulary: number }): Tokenizer {
  if (!Number.isInteger(vocabulary) || vocabulary < byteCount) {
    throw new DataRangeError(`expected a vocabulary of at least ${byteCount} (the bytes), got ${vocabulary}`);
  }
  const counts = createPairCounts(wordCounts(text));
  const merges: [number, number][] = [];
  while (byteCount + merges.length < vocabulary) {
    const pair = counts.mostFrequent();
    if (!pair) break;
    counts.merge(pair, byteCount + merges.length);
    merges.push(pair);
  }
  return bytePairTokenizer(merges);
}

export function bytePairTokenizer(merges: Merges): Tokenizer {
  const pieces = piecesOf(merges);
  const ranks = new Map(merges.map(([left, right], i) => [pairKey(left, right), byteCount + i]));
  const known = new Map<string, readonly number[]>();
  const encodeWord = (word: string) => {
    let tokens = known.get(word);
    if (!tokens) {
      tokens = merged([...utf8.encode(word)], ranks);
      known.set(word, tokens);
    }
    return tokens;
  };
  return {
    vocabulary: pieces.length,
    encode(text) {
      const tokens: number[] = [];
      for (const [word] of text.matchAll(words)) for (const token of encodeWord(word)) tokens.push(token);
      return Int32Array.from(tokens);
    },
    decode(tokens) {
      const bytes: number[] = [];
      for (let i = 0; i < tokens.length; i++) {
        for (const byte of pieces[checkedToken(tokens[i], pieces.length)]!) bytes.push(byte);
      }
      return new TextDecoder().decode(Uint8Array.from(bytes));
    },
    toJSON: () => ({ kind: "bytePairs", merges }),
  };
}

const utf8 = new TextEncoder();

/** A pair of tokens as one number: vocabularies stay far below 2^26. */
export const pairKey = (left: number, right: number) => left * 2 ** 26 + right;

function wordCounts(text: string): { readonly tokens: number[]; readonly count: number }[] {
  const counts = new Map<string, number>();
  for (const [word] of text.matchAll(words)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => ({ tokens: [...utf8.encode(word)], count }));
}

/** The bytes that each token stands for. */
function piecesOf(merges: Merges): (readonly number[])[] {
  const pieces: (readonly number[])[] = Array.from({ length: byteCount }, (_, byte) => [byte]);
  for (const [left, right] of merges) {
    pieces.push([...pieces[checkedToken(left, pieces.length)]!, ...pieces[checkedToken(right, pieces.length)]!]);
  }
  return pieces;
}

/** Applies the merges to one word: always the earliest one that fits, as they were learned. */
function merged(tokens: number[], ranks: ReadonlyMap<number, number>): number[] {
  let word = tokens;
  for (;;) {
    let token = Infinity;
    for (let i = 0; i + 1 < word.length; i++)
      token = Math.min(token, ranks.get(pairKey(word[i]!, word[i + 1]!)) ?? Infinity);
    if (token === Infinity) return word;
    const next: number[] = [];
    for (let i = 0; i < word.length; i++) {
      const joins = i + 1 < word.length && ranks.get(pairKey(word[i]!, word[i + 1]!)) === token;
      next.push(joins ? token : word[i]!);
      if (joins) i++;
    }
    word = next;
  }
}
