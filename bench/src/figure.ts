/** Figures: ratios to something that ran beside. */

export interface Figure {
  readonly name: string;
  /** Ours. */
  readonly value: number;
  readonly unit: string;
  /** What it is compared with. */
  readonly vs: string;
  /** Ours against theirs, such that larger is better for us; of what was timed in turns, the median over the rounds. */
  readonly ratio: number;
}

export interface BenchOptions {
  /** A part of the names of the figures wanted; empty for all. */
  readonly filter: string;
  /** How often what is timed is repeated; a median of fewer is worth less. */
  readonly rounds: number | undefined;
}

/** Yields figures as it gets them. */
export type Bench = (options: BenchOptions) => AsyncIterable<Figure>;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((x, y) => x - y);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export const threeDigits = (x: number): number => Number(x.toPrecision(3));
