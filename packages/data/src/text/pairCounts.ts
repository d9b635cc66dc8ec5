/** Counts of neighbouring tokens over a list of words, kept up to date while pairs are merged. */

interface Word {
  tokens: number[];
  readonly count: number;
}

export type Pair = [left: number, right: number];

export interface PairCounts {
  /** Undefined when no pair occurs twice. Of equals, the pair of lower tokens. */
  mostFrequent(): Pair | undefined;
  /** Replaces the pair by `token` in every word. */
  merge(pair: Pair, token: number): void;
}

interface Entry {
  readonly pair: Pair;
  count: number;
  /** Words that held the pair at some time. */
  readonly words: Set<Word>;
}

export function createPairCounts(words: readonly Word[]): PairCounts {
  const entries = new Map<string, Entry>();
  const note = (left: number, right: number, word: Word, by: number) => {
    const key = `${left} ${right}`;
    let entry = entries.get(key);
    if (!entry) entries.set(key, (entry = { pair: [left, right], count: 0, words: new Set() }));
    entry.count += by;
    if (by > 0) entry.words.add(word);
    if (entry.count === 0) entries.delete(key);
  };
  const noteAll = (word: Word, sign: 1 | -1) => {
    const { tokens, count } = word;
    for (let i = 0; i + 1 < tokens.length; i++) note(tokens[i]!, tokens[i + 1]!, word, sign * count);
  };
  for (const word of words) noteAll(word, 1);

  return {
    mostFrequent() {
      let best: Entry | undefined;
      for (const entry of entries.values()) if (entry.count > 1 && (!best || goesBefore(entry, best))) best = entry;
      return best?.pair;
    },
    merge([left, right], token) {
      for (const word of entries.get(`${left} ${right}`)?.words ?? []) {
        noteAll(word, -1);
        word.tokens = joined(word.tokens, [left, right], token);
        noteAll(word, 1);
      }
    },
  };
}

function goesBefore(a: Entry, b: Entry): boolean {
  if (a.count !== b.count) return a.count > b.count;
  return a.pair[0] !== b.pair[0] ? a.pair[0] < b.pair[0] : a.pair[1] < b.pair[1];
}

function joined(tokens: readonly number[], [left, right]: Pair, token: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const fits = tokens[i] === left && tokens[i + 1] === right;
    result.push(fits ? token : tokens[i]!);
    if (fits) i++;
  }
  return result;
}
