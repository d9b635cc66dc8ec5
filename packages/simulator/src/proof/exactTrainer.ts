/**
 * A trainer whose every result is known beforehand: what it answers follows from the bits that it was given, in multiples of
 * 1/64, so that whoever checks a version needs neither data nor training.
 */
import type { CheckedJob, LocalWork, Trainer } from "@weft/worker";
import { mix } from "../random.ts";

export interface Given {
  readonly seed: number;
  /** Examples behind the answer. */
  readonly weight: number;
  /** What a correction adds to every gradient. */
  readonly shift?: Float32Array | undefined;
  /** The optimiser's state that training goes on with. */
  readonly optimizer?: Float32Array | undefined;
}

/** How all parameters change on a base: multiples of 1/64 within ±1/2. */
export function exactChange(base: Float32Array, { seed, weight, shift, optimizer }: Given): Float32Array {
  const bits = wordsOf(base);
  const shifts = shift === undefined ? undefined : wordsOf(shift);
  const kept = optimizer === undefined ? 0 : mix(wordsOf(optimizer)[0]!);
  return Float32Array.from(bits, (word, i) => {
    const given = mix(word + i) ^ mix(seed + weight) ^ kept ^ (shifts === undefined ? 0 : mix(shifts[i]! + 1));
    return ((mix(given) & 63) - 32) / 64;
  });
}

/** The optimiser's state after training with it. */
export function exactOptimizer(seed: number, before: Float32Array | undefined): Float32Array {
  return Float32Array.of((mix(seed ^ (before === undefined ? 0 : wordsOf(before)[0]!)) & 1023) / 64);
}

/** Of a model's shared parameters: from 1 to just below 2, in sixteenths. */
export function exactLoss({ document, manifest }: CheckedJob, weights: Float32Array): number {
  let hash = 0;
  for (const [i, { offset }] of manifest.entries.entries()) {
    if (document.parameters[i]?.local === true) continue;
    const end = manifest.entries[i + 1]?.offset ?? manifest.size;
    for (const word of wordsOf(weights.slice(offset, end))) hash = mix(hash + word);
  }
  return 1 + (hash & 15) / 16;
}

const wordsOf = ({ buffer, byteOffset, length }: Float32Array): Uint32Array =>
  new Uint32Array(buffer, byteOffset, length);

/** A trainer of the job that answers once `compute` is through. */
export function exactTrainer(
  job: CheckedJob,
  { initial, compute }: { readonly initial: Promise<Float32Array>; readonly compute: () => Promise<void> },
): Trainer {
  return {
    job,
    initialize: async () => (await initial).slice(),
    evaluate: (weights) => Promise.resolve({ loss: exactLoss(job, weights) }),
    predict: () => Promise.reject(new Error("the proof's trainer only answers orders")),
    async gradient(base, { rows }, seed) {
      await compute();
      const weight = rows.length;
      return { gradient: exactChange(base, { seed, weight }), weight, metrics: { loss: weight } };
    },
    async train(base, { rows }, work) {
      await compute();
      await work.onStep?.();
      const { seed, correction = {}, optimizerState } = work;
      const weight = rows.length;
      const before = optimizerState?.[0];
      return {
        change: exactChange(base, { seed, weight, shift: correction.shift, optimizer: before }),
        steps: stepsOf(work, weight),
        weight,
        metrics: { loss: weight },
        optimizerState: () => Promise.resolve([exactOptimizer(seed, before)]),
      };
    },
  };
}

const stepsOf = ({ steps, epochs = 0, batchSize }: LocalWork, rows: number): number =>
  steps ?? epochs * Math.ceil(rows / batchSize);
