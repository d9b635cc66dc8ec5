/** Figures and how they are taken: as ratios to something that runs beside them, turn and turn about. */

export interface Figure {
  readonly name: string;
  /** Ours. */
  readonly value: number;
  readonly unit: string;
  /** What it is compared with. */
  readonly vs: string;
  /** Median over the rounds of ours / theirs, such that larger is better for us. */
  readonly ratio: number;
}

export interface Comparison {
  readonly name: string;
  readonly unit: string;
  readonly vs: string;
  /** One piece of work for either side; its duration is measured. */
  readonly ours: () => void;
  readonly theirs: () => void;
  /** Units of work in one piece: value = work / seconds. */
  readonly work: number;
}

const rounds = 9;
/** Each side's turn lasts about this long. */
const turnMs = 250;

/** Interleaved turns of both sides; the value and the ratio are medians over the rounds. */
export function compare({ name, unit, vs, ours, theirs, work }: Comparison): Figure {
  const counts = [ours, theirs].map((piece) => {
    timed(piece, 2);
    return Math.max(1, Math.round(turnMs / timed(piece, 3)));
  });
  const measured = Array.from({ length: rounds }, () => [timed(ours, counts[0]), timed(theirs, counts[1])] as const);
  const value = median(measured.map(([ms]) => (work / ms) * 1000));
  const ratio = median(measured.map(([our, their]) => their / our));
  return { name, value: threeDigits(value), unit, vs, ratio: threeDigits(ratio) };
}

/** Milliseconds per call. */
function timed(piece: () => void, count = 1): number {
  const start = performance.now();
  for (let i = 0; i < count; i++) piece();
  return (performance.now() - start) / count;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((x, y) => x - y);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const threeDigits = (x: number) => Number(x.toPrecision(3));

/** Repeatable values in -1..1 (xorshift32). */
export function uniformFloats(size: number, seed: number): Float32Array {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length: size }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 31 - 1;
  });
}
