/**
 * Updates folded into exact sums, checks and norm included, beside copies of the same bytes, on one core. What is folded comes
 * from memory, as from the network; so do the sums of a large model, of which each takes twice the bytes of its value. Updates
 * come one after the other, or side by side as those of a cohort do, a block of each in turn. One after the other, each value moves
 * 20 bytes where a copy moves 8: at the copy's speed that would be 0.4.
 */
import { meanRule } from "@weft/aggregate";
import { blockCount, blockElements, blockRange } from "@weft/vector";
import { type BenchOptions, type Figure, median, threeDigits } from "../figure.ts";

const arrivals = [
  { name: "200,000 parameters", size: 199_210, sideBySide: 1 },
  { name: "25 million parameters, 8 updates side by side", size: 25_000_000, sideBySide: 8 },
  { name: "25 million parameters, one update after the other", size: 25_000_000, sideBySide: 1 },
] as const;
/** Values that pass in each turn: so many that none of them is in a cache. */
const turnElements = 200_000_000;

// eslint-disable-next-line @typescript-eslint/require-await -- a bench yields as others do
export async function* aggregate({ filter, rounds = 7 }: BenchOptions): AsyncIterable<Figure> {
  const values = new Float32Array(turnElements);
  for (let i = 0; i < values.length; i++) values[i] = ((i * 7919) % 1013) / 1013 - 0.5;
  const copy = new Float32Array(turnElements).fill(1);
  for (const { name, size, sideBySide } of arrivals) {
    if (!name.includes(filter)) continue;
    const sums = meanRule.open({ size, contributions: 2 ** 20, bound: 1e4, maxWeight: 600 });
    const updates = Math.floor(turnElements / size);
    const pass = (work: (block: number, values: Float32Array, at: number) => void): number => {
      const startedMs = performance.now();
      for (let first = 0; first < updates; first += sideBySide) {
        for (let block = 0; block < blockCount(size); block++) {
          const { start, end } = blockRange(size, block);
          for (let update = first; update < first + sideBySide; update++) {
            const at = update * size + start;
            work(block, values.subarray(at, at + end - start), at);
          }
        }
      }
      return performance.now() - startedMs;
    };
    const fold = () => pass((block, some) => sums.add(block, some, 7));
    const set = () => pass((_, some, at) => copy.set(some, at));
    fold();
    const turns = Array.from({ length: rounds }, () => ({ setMs: set(), foldMs: fold() }));
    yield {
      name: `aggregate, ${name}`,
      value: threeDigits((4 * size * updates) / 1e6 / median(turns.map(({ foldMs }) => foldMs))),
      unit: "GB/s",
      vs: `TypedArray.set by blocks of ${blockElements}`,
      ratio: threeDigits(median(turns.map(({ setMs, foldMs }) => setMs / foldMs))),
    };
  }
}
