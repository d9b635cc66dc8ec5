import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkContract,
  fitCharacters,
  loadTokenizer,
  mobyDick,
  saveTokenizer,
  textFile,
  textSource,
  tokenWindows,
  tokenizerFrom,
  trainBytePairs,
} from "@weft/data";

const texts = fc.oneof(fc.string({ unit: "grapheme", maxLength: 60 }), fc.stringMatching(/^[ab \n]{0,60}$/));

describe("characters", () => {
  test("every text comes back, in tokens by code point", () => {
    fc.assert(
      fc.property(texts.filter(Boolean), (text) => {
        const tokenizer = fitCharacters(text);
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
        expect(tokenizer.vocabulary).toBe(new Set(text).size);
        expect(tokenizer.encode(text)).toHaveLength(Array.from(text).length);
      }),
    );
    expect([...fitCharacters("banana 🐋").encode("an🐋")]).toEqual([1, 3, 4]);
  });

  test("a character that was not fitted is named", () => {
    expect(() => fitCharacters("abc").encode("abd")).toThrow(/no token for "d"/);
    expect(() => fitCharacters("abc").decode([3])).toThrow(/token 3 is outside a vocabulary of 3/);
    expect(() => fitCharacters("")).toThrow(/at least one character/);
  });
});

describe("byte pairs", () => {
  test("every text comes back, whatever was trained on", () => {
    fc.assert(
      fc.property(texts, texts, fc.integer({ min: 256, max: 300 }), (trained, text, vocabulary) => {
        const tokenizer = trainBytePairs(trained, { vocabulary });
        expect(tokenizer.vocabulary).toBeLessThanOrEqual(vocabulary);
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
    );
  });

  test("merges are those of the plain algorithm", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[abc ]{0,40}$/), fc.integer({ min: 256, max: 270 }), (text, vocabulary) => {
        expect(trainBytePairs(text, { vocabulary }).toJSON()).toEqual({
          kind: "bytePairs",
          merges: plainMerges(text, vocabulary),
        });
      }),
    );
  });

  test("frequent words become one token", () => {
    const tokenizer = trainBytePairs("the whale and the sea and the ship ".repeat(20), { vocabulary: 300 });
    expect(tokenizer.encode(" the")).toHaveLength(1);
    expect(tokenizer.encode(" the whale")).toHaveLength(2);
    expect(tokenizer.vocabulary).toBeLessThan(300); // no pair is left that occurs twice
  });

  test("a vocabulary smaller than the bytes is refused", () => {
    expect(() => trainBytePairs("a", { vocabulary: 255 })).toThrow(/at least 256/);
  });

  /** Counts all pairs anew for every merge. */
  function plainMerges(text: string, vocabulary: number): number[][] {
    let words = (text.match(/ ?[abc]+| +/g) ?? []).map((word) => [...new TextEncoder().encode(word)]);
    const merges: number[][] = [];
    while (256 + merges.length < vocabulary) {
      const counts = new Map<string, number>();
      for (const word of words) {
        for (let i = 0; i + 1 < word.length; i++) {
          const key = `${word[i]!},${word[i + 1]!}`;
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
      }
      const pairs = [...counts].map(([key, count]) => ({ pair: key.split(",").map(Number), count }));
      pairs.sort((a, b) => b.count - a.count || a.pair[0]! - b.pair[0]! || a.pair[1]! - b.pair[1]!);
      if (!pairs[0] || pairs[0].count < 2) break;
      const [left, right] = pairs[0].pair;
      const token = 256 + merges.length;
      merges.push([left!, right!]);
      words = words.map((word) => {
        const next: number[] = [];
        for (let i = 0; i < word.length; i++) {
          if (word[i] === left && word[i + 1] === right) {
            next.push(token);
            i++;
          } else next.push(word[i]!);
        }
        return next;
      });
    }
    return merges;
  }
});

describe("tokenisers as data", () => {
  test("come back from JSON with the same tokens", () => {
    for (const tokenizer of [fitCharacters("call me"), trainBytePairs("call me call me", { vocabulary: 260 })]) {
      const again = tokenizerFrom(JSON.parse(JSON.stringify(tokenizer)));
      expect(again.encode("me call")).toEqual(tokenizer.encode("me call"));
      expect(again.vocabulary).toBe(tokenizer.vocabulary);
    }
  });

  test("anything else is refused", () => {
    const bad = [null, 1, {}, { kind: "words" }, { kind: "characters" }, { kind: "bytePairs", merges: [[0, 256]] }];
    for (const data of bad) expect(() => tokenizerFrom(data)).toThrow(/expected \{ kind: "characters"/);
    expect(() => tokenizerFrom({ kind: "characters", characters: "aa" })).toThrow(/each once/);
  });
});

describe("token windows", () => {
  test("pair each window with itself one token later", () => {
    const dataset = tokenWindows([0, 1, 2, 3, 4, 5, 6], { window: 3, vocabulary: 7 });
    expect(dataset.size).toBe(2);
    expect(dataset.columns.map((column) => [...column])).toEqual([
      [0, 1, 2, 3, 4, 5],
      [1, 2, 3, 4, 5, 6],
    ]);
    expect(dataset.contract.fields[1]).toMatchObject({ name: "next", shape: [3], dtype: "i32", range: [0, 6] });
  });

  test("cover the tokens, whatever window and stride", () => {
    const sizes = fc.record({ window: fc.integer({ min: 1, max: 9 }), stride: fc.integer({ min: 1, max: 9 }) });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 10, max: 60 }), ({ window, stride }, length) => {
        const tokens = Array.from({ length }, (_, i) => i + 300);
        const dataset = tokenWindows(tokens, { window, stride, vocabulary: 400 });
        checkContract(dataset, dataset.contract);
        const [inputs, next] = dataset.columns;
        const lastStart = (dataset.size - 1) * stride;
        expect(lastStart + window).toBeLessThan(length);
        expect(lastStart + stride + window).toBeGreaterThanOrEqual(length);
        inputs!.forEach((token, i) => expect(next![i]).toBe(token + 1));
      }),
    );
  });

  test("too little text and tokens outside the vocabulary are refused", () => {
    expect(() => tokenWindows([1, 2, 3], { window: 3, vocabulary: 4 })).toThrow(/needs 4 tokens, got 3/);
    expect(() => tokenWindows([1, 4, 3], { window: 1, vocabulary: 4 })).toThrow(/token 4 is outside/);
    expect(() => tokenWindows([1, 2, 3], { window: 0, vocabulary: 4 })).toThrow(/whole window from 1/);
  });
});

describe("texts", () => {
  test("the novel is there, the same every time, its end held out", async () => {
    const source = await mobyDick({ window: 64 });
    const { train, test: held } = await source.load();
    expect(source.tokenizer.vocabulary).toBe(83);
    expect([train.size, held.size]).toEqual([16_738, 1859]);
    expect(source.tokenizer.decode(train.columns[0]!.subarray(22, 38))).toBe("Call me Ishmael.");
    expect(source.tokenizer.decode(held.columns[1]!.slice(-30))).toMatch(/[a-z ]{10}/);
  });

  test("a file is read, its tokeniser saved and loaded", async () => {
    const directory = await mkdtemp(join(tmpdir(), "weft-"));
    try {
      const path = join(directory, "song.txt");
      await writeFile(path, "row, row, row your boat\n".repeat(50));
      const source = await textFile(path, { window: 8, test: 0.2, tokens: { bytePairs: 270 } });
      expect(source.name).toBe("song.txt");
      await saveTokenizer(join(directory, "tokens.json"), source.tokenizer);
      const again = await textFile(path, {
        window: 8,
        test: 0.2,
        tokens: await loadTokenizer(join(directory, "tokens.json")),
      });
      expect(await again.load()).toEqual(await source.load());
      await expect(loadTokenizer(path)).rejects.toThrow(/song.txt: not a tokeniser/);
      await writeFile(path, Uint8Array.of(0xff, 0xfe));
      await expect(textFile(path, { window: 8 })).rejects.toThrow(/expected text in UTF-8/);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test("a cut never splits a character", async () => {
    const source = textSource("whales", "🐋".repeat(11), { window: 1, test: 0.5 });
    const { train, test: held } = await source.load();
    expect(source.tokenizer.vocabulary).toBe(1);
    expect(train.size + held.size).toBe(9); // 11 characters in two parts, each with one target fewer than characters
  });
});
