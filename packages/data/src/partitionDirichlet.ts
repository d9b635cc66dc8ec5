/**
 * Uneven partitions after a Dirichlet distribution: over labels (Yurochkin et al. 2019; the smaller α, the fewer labels a worker
 * sees) and over sizes (Li et al. 2022, quantity skew). The logarithms of one engine are not always those of another to the
 * last bit, so partitions of one seed are the same on the same engine.
 */
import { DataRangeError } from "./errors.ts";
import { createGenerator, type Generator } from "./generator.ts";
import { assertParts } from "./partition.ts";
import { shuffled } from "./permutation.ts";

export interface DirichletOptions {
  readonly workers: number;
  /** Above 0: 0.1 is very uneven, 100 nearly even. */
  readonly alpha: number;
  readonly seed: number;
}

/**
 * Every label's examples are divided among the workers in proportions of their own; every worker gets one example at least.
 *
 * @param labels one per example
 */
export function partitionDirichlet(labels: ArrayLike<number>, options: DirichletOptions): Uint32Array[] {
  const { workers, seed } = options;
  assertOptions(labels.length, options);
  const random = createGenerator("partition", seed);
  const byLabel = new Map<number, number[]>();
  for (const index of shuffled(labels.length, random)) {
    const label = labels[index]!;
    const same = byLabel.get(label);
    if (same === undefined) byLabel.set(label, [index]);
    else same.push(index);
  }
  const parts = Array.from({ length: workers }, (): number[] => []);
  for (const label of [...byLabel.keys()].sort((a, b) => a - b)) {
    deal(byLabel.get(label) ?? [], proportions(options, random), parts);
  }
  return filled(parts);
}

/** Examples at random, in parts of Dirichlet-distributed sizes; every worker gets one example at least. */
export function partitionDirichletSizes(size: number, options: DirichletOptions): Uint32Array[] {
  assertOptions(size, options);
  const random = createGenerator("partition", options.seed);
  const parts = Array.from({ length: options.workers }, (): number[] => []);
  deal(shuffled(size, random), proportions(options, random), parts);
  return filled(parts);
}

function assertOptions(size: number, { workers, alpha }: DirichletOptions): void {
  assertParts(size, workers, "workers");
  if (!(alpha > 0 && alpha < Infinity)) {
    throw new DataRangeError(`alpha is a number above 0, got ${alpha}; 0.1 is very uneven, 100 nearly even`);
  }
}

/** Adds consecutive runs of the items to the parts, cut where the cumulative proportions fall. */
function deal(items: ArrayLike<number>, shares: readonly number[], parts: number[][]): void {
  let [sum, start] = [0, 0];
  shares.forEach((share, worker) => {
    sum += share;
    const end = worker === shares.length - 1 ? items.length : Math.round(sum * items.length);
    const part = parts[worker]!;
    for (; start < end; start++) part.push(items[start]!);
  });
}

/** A worker without an example takes one from the largest part. */
function filled(parts: readonly number[][]): Uint32Array[] {
  for (const part of parts) {
    if (part.length > 0) continue;
    const largest = parts.reduce((most, other) => (other.length > most.length ? other : most));
    part.push(largest.pop()!);
  }
  return parts.map((part) => Uint32Array.from(part).sort());
}

/** A draw of the symmetric Dirichlet distribution: gamma variates over their sum, kept as logarithms, for small α underflows. */
function proportions({ workers, alpha }: DirichletOptions, random: Generator): number[] {
  const logs = Array.from({ length: workers }, () => logGamma(alpha, random));
  const largest = Math.max(...logs);
  const shares = logs.map((log) => Math.exp(log - largest));
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / sum);
}

/** The logarithm of a gamma variate (Marsaglia and Tsang 2000). Below shape 1: one of shape + 1, times u^(1/shape). */
function logGamma(shape: number, random: Generator): number {
  if (shape < 1) return logGamma(shape + 1, random) + Math.log(1 - random.unit()) / shape;
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    if (Math.log(1 - random.unit()) < x ** 2 / 2 + d - d * v + d * Math.log(v)) return Math.log(d * v);
  }
}

/** Box and Muller 1958. */
function normal(random: Generator): number {
  return Math.sqrt(-2 * Math.log(1 - random.unit())) * Math.cos(2 * Math.PI * random.unit());
}
