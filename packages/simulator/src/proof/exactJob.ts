/**
 * A job so small that a round costs microseconds, and a trainer whose every result is known beforehand: updates are
 * multiples of 1/64, so their sums are exact in any order and whoever checks a version needs nothing of the coordinator's.
 */
import { encodeJob, type JobDocument } from "@weft/protocol";
import { trace, uniform, type Tensor, type TensorType } from "@weft/tensor";
import { encode } from "@weft/tensor/programs";
import { checkJob, createTrainer, type CheckedJob, type Trainer } from "@weft/worker";
import { mix } from "../random.ts";

export interface JobKnobs {
  readonly work: JobDocument["round"]["work"];
  readonly cohort: JobDocument["round"]["cohort"];
  readonly quorum: JobDocument["round"]["quorum"];
  readonly deadlineMs: JobDocument["round"]["deadlineMs"];
  readonly pace?: JobDocument["round"]["pace"];
  readonly late?: JobDocument["round"]["late"];
  readonly rounds: number;
  readonly seed: number;
}

const elements = 6;
export const examples = 60;
export const normBound = 8;

/** Encoded jobs and what was checked of them, by knobs: the same few come again and again. */
const known = new Map<string, ExactJob>();

export interface ExactJob {
  readonly encoded: Uint8Array;
  readonly checked: CheckedJob;
  /** Version 0. */
  readonly initial: Promise<Float32Array>;
}

export function exactJob(knobs: JobKnobs): ExactJob {
  const name = JSON.stringify(knobs);
  let job = known.get(name);
  if (job === undefined) {
    const encoded = encodeExactJob(knobs);
    const checked = checkJob(encoded);
    job = { encoded, checked, initial: createTrainer(checked).initialize(knobs.seed) };
    if (known.size > 1000) known.clear();
    known.set(name, job);
  }
  return job;
}

const f32 = (...shape: number[]): TensorType => ({ shape, dtype: "f32" });
const key: TensorType = { shape: [2], dtype: "u32" };
let programs: Parameters<typeof encodeJob>[1] | undefined;

/** Programs that are valid; nobody runs any but the first. */
function exactPrograms() {
  const first = (...values: Tensor[]): Tensor => values[0]!;
  const at = (batch: number, program: Parameters<typeof encode>[0]) => ({ batch, bytes: encode(program) });
  const fields = (batch: number) => [f32(batch), f32(batch)];
  programs ??= {
    initialize: at(
      0,
      trace((seed: Tensor) => [uniform(seed, [elements], { min: -1 })], [key]),
    ),
    loss: [
      at(
        examples,
        trace(
          (...values: Tensor[]) => [first(...values).sum()],
          [f32(elements), key, f32(examples), ...fields(examples)],
        ),
      ),
    ],
    evaluate: at(
      1,
      trace((...values: Tensor[]) => [first(...values).sum()], [f32(elements), f32(1), ...fields(1)]),
    ),
    predict: at(
      1,
      trace((...values: Tensor[]) => [values[1]!], [f32(elements), f32(1)]),
    ),
  };
  return programs;
}

function encodeExactJob({ rounds, seed, ...round }: JobKnobs): Uint8Array {
  const field = { shape: [], dtype: "f32", stored: "u8", scale: 1 } as const;
  return encodeJob(
    {
      format: 1,
      name: "exact",
      parameters: [{ name: "w", shape: [elements], kind: "weight" }],
      data: {
        fields: [
          { name: "x", ...field, shape: [] },
          { name: "y", ...field, shape: [] },
        ],
      },
      examples,
      metrics: [],
      round: {
        ...round,
        weighting: "examples",
        // Of learning rate 1, so that a step is one subtraction, rounded once on every backend.
        server: { name: "sgd", learningRate: 1 },
        normBound,
      },
      codec: { up: { kind: "f32" }, down: { kind: "f32" } },
      // A target out of reach, so that every version is shown to `evaluate`.
      stop: { rounds, target: { metric: "loss", value: -1, every: 1 } },
      seed,
    },
    exactPrograms(),
  );
}

/** What an honest worker answers on a base, by the seed of its order and the examples behind it: multiples of 1/64 within ±1/2. */
export function exactUpdate(base: Float32Array, seed: number, weight: number): Float32Array {
  const bits = new Uint32Array(base.buffer, base.byteOffset, base.length);
  return Float32Array.from(bits, (word, i) => ((mix(mix(word + i) ^ mix(seed + weight)) & 63) - 32) / 64);
}

/** Part `index` of `of`: the examples whose number leaves this remainder. */
export function partOf(index: number, of: number): Uint32Array {
  return Uint32Array.from({ length: Math.ceil((examples - index) / of) }, (_, i) => index + i * of);
}

/** A trainer of the job that answers with `exactUpdate` once `compute` is through. */
export function exactTrainer(checked: CheckedJob, compute: () => Promise<void>): Trainer {
  const cannot = () => Promise.reject(new Error("the proof's trainer only answers orders"));
  const answer = async (base: Float32Array, weight: number, seed: number) => {
    await compute();
    return { values: exactUpdate(base, seed, weight), weight, metrics: { loss: weight } };
  };
  return {
    job: checked,
    initialize: cannot,
    evaluate: cannot,
    predict: cannot,
    async gradient(base, { rows }, seed) {
      const { values: gradient, ...sums } = await answer(base, rows.length, seed);
      return { ...sums, gradient };
    },
    async train(base, { rows }, { seed }) {
      const { values: change, ...sums } = await answer(base, rows.length, seed);
      return { ...sums, change, steps: 1, optimizerState: () => Promise.resolve([]) };
    },
  };
}
