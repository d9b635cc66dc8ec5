/** Element by element sorts rows of values and adds those of a range, from the least to the greatest: whoever sent them, the same bits. */
import { rowStep, sortingKernels } from "./sortingKernels.ts";

/** Ranks, from the least value at 0. */
export interface Ranks {
  readonly from: number;
  readonly to: number;
}

/** Sums of the rows' values of these ranks, in f64; may overwrite the rows, which are as long as the sums. */
export type SortedSums = (rows: readonly Float32Array[], ranks: Ranks, sums: Float64Array) => void;

/** -0 is less than 0. */
export const plainSortedSums: SortedSums = (rows, { from, to }, sums) => {
  for (const [low, high] of sortingNetwork(rows.length)) exchange(rows[low]!, rows[high]!);
  sums.fill(0);
  for (const row of rows.slice(from, to)) for (let i = 0; i < row.length; i++) sums[i]! += row[i]!;
};

/** Values of all rows that are sorted together: so many stay in the nearest cache. */
const tileValues = 8192;
/** Elements of a row beyond which longer tiles gain nothing. */
const longestTile = 1024;

interface Prepared {
  readonly rows: number;
  /** Elements of each at most. */
  readonly elements: number;
  readonly sums: SortedSums;
}

let prepared: Prepared | undefined;

/** The fastest there is for so many rows, and how many elements of each it takes at a time. */
export function sortedSums(rows: number): Prepared {
  if (prepared?.rows !== rows) {
    const elements = Math.min(longestTile, Math.max(1, Math.floor(tileValues / rows / rowStep)) * rowStep);
    prepared = { rows, elements, sums: simdSortedSums(rows, elements) ?? plainSortedSums };
  }
  return prepared;
}

/** As the plain one, of rows of at most so many elements, until it is asked for again; undefined where there is no SIMD. */
export function simdSortedSums(rows: number, elements: number): SortedSums | undefined {
  const network = sortingNetwork(rows);
  const rowBytes = 4 * elements;
  const sumsAt = rows * rowBytes;
  const pairsAt = sumsAt + 2 * rowBytes;
  const kernels = sortingKernels(pairsAt + 8 * network.length);
  if (kernels === undefined) return undefined;
  const { memory } = kernels;
  const places = Array.from({ length: rows }, (_, row) => new Float32Array(memory, row * rowBytes, elements));
  const summed = new Float64Array(memory, sumsAt, elements);
  const addresses = network.flatMap((pair) => pair.map((row) => row * rowBytes));
  new Int32Array(memory, pairsAt, addresses.length).set(addresses);
  return (values, { from, to }, sums) => {
    for (const [row, place] of places.entries()) place.set(values[row]!);
    const bytes = 4 * Math.ceil(sums.length / rowStep) * rowStep;
    kernels.sort(pairsAt, network.length, bytes);
    kernels.sum(from * rowBytes, to - from, rowBytes, bytes, sumsAt);
    sums.set(summed.subarray(0, sums.length));
  };
}

/** Element by element the lesser goes to `low`. */
function exchange(low: Float32Array, high: Float32Array): void {
  for (let i = 0; i < low.length; i++) {
    const [x, y] = [low[i]!, high[i]!];
    low[i] = Math.min(x, y);
    high[i] = Math.max(x, y);
  }
}

const networks = new Map<number, readonly (readonly [number, number])[]>();

/** Batcher's odd-even merge sort of `count` lines: the same comparisons whatever the values, so whole rows are sorted at once. */
function sortingNetwork(count: number): readonly (readonly [number, number])[] {
  const known = networks.get(count);
  if (known !== undefined) return known;
  const network: [number, number][] = [];
  for (let p = 1; p < count; p *= 2) {
    for (let k = p; k >= 1; k /= 2) {
      for (let j = k % p; j + k < count; j += 2 * k) {
        for (let i = 0; i < Math.min(k, count - j - k); i++) {
          if (Math.floor((i + j) / (2 * p)) === Math.floor((i + j + k) / (2 * p))) network.push([i + j, i + j + k]);
        }
      }
    }
  }
  networks.set(count, network);
  return network;
}
