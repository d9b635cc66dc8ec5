/**
 * Updates folded into exact sums, checks and norm included, beside copies of the same bytes, on one core. What is folded comes
 * from memory, as from the network; so do the sums of a large model, of which each takes twice the bytes of its value. Updates
 * come one after the other, or side by side as those of a cohort do, a block of each in turn. One after the other, each value moves
 * 20 bytes where a copy moves 8: at the copy's speed that would be 0.4. And the median of blocks of all updates, beside typed arrays'
 * own sort of each element's values.
 */
import { meanRule, median as medianRule } from "@weft/aggregate";
import { blockCount, blockElements, blockRange } from "@weft/vector";
import { type BenchOptions, type Figure, median, threeDigits } from "../figure.ts";

const arrivals = [
  { name: "200,000 parameters", size: 199_210, sideBySide: 1 },
  { name: "25 million parameters, 8 updates side by side", size: 25_000_000, sideBySide: 8 },
  { name: "25 million parameters, one update after the other", size: 25_000_000, sideBySide: 1 },
] as const;
const medianCounts = [10, 100];

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
  for (const count of medianCounts) {
    const name = `aggregate, median of ${count} updates`;
    if (name.includes(filter)) yield { name, ...medians(count, rounds) };
  }
}

/** A block of each update. */
function medians(count: number, rounds: number): Omit<Figure, "name"> {
  const updates = Array.from({ length: count }, () => Float32Array.from({ length: blockElements }, Math.random));
  const turns = Array.from({ length: rounds + 1 }, () => {
    // It may sort them where they lie.
    const copies = updates.map((update) => update.slice());
    const out = new Float32Array(blockElements);
    const startedMs = performance.now();
    medianRule(copies, out);
    const ourMs = performance.now() - startedMs;
    const column = new Float32Array(count);
    let sum = 0;
    for (let i = 0; i < blockElements; i++) {
      for (let update = 0; update < count; update++) column[update] = updates[update]![i]!;
      column.sort();
      sum += (column[(count - 1) >> 1]! + column[count >> 1]!) / 2 - out[i]!;
    }
    if (Math.abs(sum) > 1) throw new Error("the medians differ");
    return { ourMs, theirMs: performance.now() - startedMs - ourMs };
  }).slice(1);
  return {
    value: threeDigits((1e6 * median(turns.map(({ ourMs }) => ourMs))) / (count * blockElements)),
    unit: "ns/value",
    vs: "Float32Array's sort",
    ratio: threeDigits(median(turns.map(({ ourMs, theirMs }) => theirMs / ourMs))),
  };
}
