/**
 * Updates folded into exact sums, checks and norm included, beside copies of the same bytes, on one core. What is folded comes
 * from memory, as from the network; so do the sums of a large model, of which each takes twice the bytes of its value.
 */
import { meanRule } from "@weft/aggregate";
import { blockCount, blockElements, blockRange } from "@weft/vector";
import { type BenchOptions, type Figure, median, threeDigits } from "../figure.ts";

const models = [
  { name: "200,000 parameters", size: 199_210 },
  { name: "25 million parameters", size: 25_000_000 },
] as const;
/** Values that pass in each turn. */
const turnElements = 25_000_000;

// eslint-disable-next-line @typescript-eslint/require-await -- a bench yields as others do
export async function* aggregate({ filter, rounds = 7 }: BenchOptions): AsyncIterable<Figure> {
  for (const { name, size } of models) {
    if (!name.includes(filter)) continue;
    const update = Float32Array.from({ length: turnElements }, (_, i) => ((i * 7919) % 1013) / 1013 - 0.5);
    const copy = new Float32Array(turnElements).fill(1);
    const sums = meanRule.open({ size, contributions: 2 ** 20, bound: 1e6, maxWeight: 600 });
    const pass = (work: (block: number, values: Float32Array, at: number) => void): number => {
      const startedMs = performance.now();
      for (let from = 0; from + size <= turnElements; from += size) {
        for (let block = 0; block < blockCount(size); block++) {
          const { start, end } = blockRange(size, block);
          work(block, update.subarray(from + start, from + end), from + start);
        }
      }
      return performance.now() - startedMs;
    };
    const bytes = 4 * size * Math.floor(turnElements / size);
    const fold = () => pass((block, values) => sums.add(block, values, 7));
    const set = () => pass((_, values, at) => copy.set(values, at));
    fold();
    const turns = Array.from({ length: rounds }, () => ({ setMs: set(), foldMs: fold() }));
    yield {
      name: `aggregate, ${name}`,
      value: threeDigits(bytes / 1e6 / median(turns.map(({ foldMs }) => foldMs))),
      unit: "GB/s",
      vs: `TypedArray.set by blocks of ${blockElements}`,
      ratio: threeDigits(median(turns.map(({ setMs, foldMs }) => setMs / foldMs))),
    };
  }
}
