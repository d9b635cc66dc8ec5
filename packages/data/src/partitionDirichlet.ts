/**
 * Uneven partitions after a Dirichlet distribution: over labels (Yurochkin et al. 2019; the smaller α, the fewer labels a worker
 * sees) and over sizes (Li et al. 2022, quantity skew). The logarithms of one engine are not always those of another to the
 * last bit, so partitions of one seed are the same on the same engine.
 */
import { DataRangeError } from "./errors.ts";
import { createGenerator, type Generator } from "./generator.ts";
import { assertParts } from "./partition.ts";
import { grouped, type Parts, partsOf } from "./parts.ts";
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
export function partitionDirichlet(labels: ArrayLike<number>, options: DirichletOptions): Parts {
  assertOptions(labels.length, options);
  const random = createGenerator("partition", options.seed);
  const order = shuffled(labels.length, random);
  const names = [...new Set(Array.prototype.values.call(labels) as Iterable<number>)].sort((a, b) => a - b);
  const places = new Map(names.map((label, place) => [label, place]));
  const byLabel = grouped(
    Uint32Array.from(labels, (label) => places.get(label)!),
    (place) => order[place]!,
    names.length,
  );
  return dealt(byLabel, options, random);
}

/** Examples at random, in parts of Dirichlet-distributed sizes; every worker gets one example at least. */
export function partitionDirichletSizes(size: number, options: DirichletOptions): Parts {
  assertOptions(size, options);
  const random = createGenerator("partition", options.seed);
  return dealt({ order: shuffled(size, random), ends: Uint32Array.of(size) }, options, random);
}

function assertOptions(size: number, { workers, alpha }: DirichletOptions): void {
  assertParts(size, workers, "workers");
  if (!(alpha > 0 && alpha < Infinity)) {
    throw new DataRangeError(`alpha is a number above 0, got ${alpha}; 0.1 is very uneven, 100 nearly even`);
  }
}

/** Every group of examples is cut where the cumulative proportions of a draw of its own fall. */
function dealt(
  { order, ends }: { readonly order: Uint32Array; readonly ends: Uint32Array },
  options: DirichletOptions,
  random: Generator,
): Parts {
  const { workers } = options;
  const owners = new Uint32Array(order.length);
  let start = 0;
  for (const end of ends) {
    const [first, length] = [start, end - start];
    let sum = 0;
    for (const [worker, share] of proportions(options, random).entries()) {
      sum += share;
      const stop = worker === workers - 1 ? end : first + Math.round(sum * length);
      for (; start < stop; start++) owners[order[start]!] = worker;
    }
  }
  fillEmpty(owners, order, workers);
  return partsOf(owners, workers);
}

/** A worker without an example takes one from the largest part, the one that was dealt to it last. */
function fillEmpty(owners: Uint32Array, order: Uint32Array, workers: number): void {
  const { order: byOwner, ends } = grouped(owners, (place) => order[place]!, workers);
  const sizes = ends.map((end, worker) => end - (ends[worker - 1] ?? 0));
  if (sizes.every((size) => size > 0)) return;
  const largest = new Largest(sizes);
  for (let worker = 0; worker < workers; worker++) {
    if (sizes[worker] !== 0) continue;
    const giver = largest.take();
    const last = (ends[giver - 1] ?? 0) + sizes[giver]!;
    owners[byOwner[last]!] = worker;
  }
}

/** Workers by how many examples they have, the most first and of those the first; a binary heap. */
class Largest {
  readonly #sizes: Uint32Array;
  readonly #heap: Uint32Array;

  /** @param sizes counted down as examples are taken */
  constructor(sizes: Uint32Array) {
    this.#sizes = sizes;
    this.#heap = Uint32Array.from({ length: sizes.length }, (_, worker) => worker);
    for (let place = sizes.length >> 1; place >= 0; place--) this.#sink(place);
  }

  /** Whoever has the most, with one less from now on. */
  take(): number {
    const worker = this.#heap[0]!;
    this.#sizes[worker]! -= 1;
    this.#sink(0);
    return worker;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    for (let place = from; ;) {
      let most = place;
      for (const child of [2 * place + 1, 2 * place + 2]) {
        if (child < heap.length && this.#isBefore(heap[child]!, heap[most]!)) most = child;
      }
      if (most === place) return;
      [heap[place], heap[most]] = [heap[most]!, heap[place]!];
      place = most;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#sizes[a]! - this.#sizes[b]!;
    return difference > 0 || (difference === 0 && a < b);
  }
}

/** A draw of the symmetric Dirichlet distribution: gamma variates over their sum, kept as logarithms, for small α underflows. */
function proportions({ workers, alpha }: DirichletOptions, random: Generator): Float64Array {
  const shares = Float64Array.from({ length: workers }, () => logGamma(alpha, random));
  const largest = shares.reduce((most, log) => Math.max(most, log), -Infinity);
  let sum = 0;
  for (const [worker, log] of shares.entries()) sum += shares[worker] = Math.exp(log - largest);
  for (const [worker, share] of shares.entries()) shares[worker] = share / sum;
  return shares;
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
