/** A job so small that a round costs microseconds, under any rules: its programs are valid, and nobody runs any but the first. */
import { encodeJob } from "@weft/protocol";
import { trace, uniform, type Tensor, type TensorType } from "@weft/tensor";
import { encode } from "@weft/tensor/programs";
import { checkJob, createTrainer, type CheckedJob } from "@weft/worker";
import { type JobKnobs, type ModelKind, normBound, parametersOf, stopOf } from "./knobs.ts";

/** Encoded jobs and what was checked of them, by knobs: some come again and again. */
const known = new Map<string, ExactJob>();

export interface ExactJob {
  readonly encoded: Uint8Array;
  readonly checked: CheckedJob;
  /** All parameters as the job begins them. */
  readonly initial: Promise<Float32Array>;
}

export function exactJob(knobs: JobKnobs): ExactJob {
  const name = JSON.stringify(knobs);
  let job = known.get(name);
  if (job === undefined) {
    const encoded = encodeExactJob(knobs);
    const checked = checkJob(encoded);
    job = { encoded, checked, initial: initialOf(checked, knobs) };
    if (known.size > 1000) known.clear();
    known.set(name, job);
  }
  return job;
}

const initials = new Map<string, Promise<Float32Array>>();

function initialOf(checked: CheckedJob, { model, seed }: JobKnobs): Promise<Float32Array> {
  const name = `${model} ${seed}`;
  const initial = initials.get(name) ?? createTrainer(checked).initialize(seed);
  initials.set(name, initial);
  return initial;
}

const f32 = (...shape: number[]): TensorType => ({ shape, dtype: "f32" });
const key: TensorType = { shape: [2], dtype: "u32" };
const mostExamples = 60;
const programs = new Map<ModelKind, Parameters<typeof encodeJob>[1]>();

function exactPrograms(model: ModelKind): Parameters<typeof encodeJob>[1] {
  const known = programs.get(model);
  if (known !== undefined) return known;
  const parameters = parametersOf(model);
  const types = parameters.map(({ shape }) => f32(...shape));
  const at = (batch: number, program: Parameters<typeof encode>[0]) => ({ batch, bytes: encode(program) });
  const loss = (values: Tensor[]): Tensor => values[0]!.sum();
  const measured = (values: Tensor[]) => values.filter((_, i) => parameters[i]?.kind === "statistic");
  const fields = (batch: number) => [f32(batch), f32(batch)];
  const made = {
    initialize: at(
      0,
      trace((seed: Tensor) => parameters.map(({ shape }) => uniform(seed, [...shape], { min: -1 })), [key]),
    ),
    loss: [
      at(
        mostExamples,
        trace(
          (...values: Tensor[]) => [loss(values), ...measured(values)],
          [...types, key, f32(mostExamples), ...fields(mostExamples)],
        ),
      ),
    ],
    evaluate: at(
      1,
      trace((...values: Tensor[]) => [loss(values)], [...types, f32(1), ...fields(1)]),
    ),
    predict: at(
      1,
      trace((...values: Tensor[]) => [values[types.length]!], [...types, f32(1)]),
    ),
  };
  programs.set(model, made);
  return made;
}

function encodeExactJob(knobs: JobKnobs): Uint8Array {
  const { round, codec, model, examples, seed } = knobs;
  const field = { dtype: "f32", stored: "u8", scale: 1 } as const;
  return encodeJob(
    {
      format: 1,
      name: "exact",
      parameters: parametersOf(model),
      data: {
        fields: [
          { name: "x", ...field, shape: [] },
          { name: "y", ...field, shape: [] },
        ],
      },
      examples,
      metrics: [],
      round: { ...round, normBound },
      codec,
      stop: stopOf(knobs),
      seed,
    },
    exactPrograms(model),
  );
}

/** Part `index` of `of` of so many examples: those whose number leaves this remainder. */
export function partOf(index: number, of: number, examples: number): Uint32Array {
  return Uint32Array.from({ length: Math.max(0, Math.ceil((examples - index) / of)) }, (_, i) => index + i * of);
}
