/** One gradient of the job's loss, derived here from the loss program. */
import type { Tensor } from "@weft/tensor";
import { allFinite } from "@weft/optim/lossScaling";
import { apply, compile, scalar, valueAuxAndGrad } from "@weft/tensor";
import { batchTensors, figuresOf, flatten, keyTensor, parameterTensors, readScalars } from "./batches.ts";
import { JobRefusedError } from "./errors.ts";
import type { CheckedJob, LossProgram } from "./job.ts";
import { lossScales, overflowed } from "./lossScale.ts";
import type { ExampleRows, Trainer } from "./training.ts";

/** Arguments of a loss program other than the parameters: key, example weights, fields. */
export type LossInputs = Tensor[];

/** What a step takes: the inputs of its program, and the scale of the loss where there is one. */
export interface StepInputs {
  readonly inputs: LossInputs;
  /** One scalar, or none. */
  readonly scale: Tensor[];
}

/**
 * Mean loss with the sums of the metrics, updated statistics where the program has any, and the gradient of the loss. With a
 * scale, the gradient is that of the scaled loss, divided by the scale, and `finite` holds whether all of it is finite.
 */
export function lossAndGradient(of: LossProgram, parameters: Tensor[], { inputs, scale: [scale] }: StepInputs) {
  const { program, statistics = [] } = of;
  const lossOf = (trained: Tensor[]) => {
    const [loss, ...others] = apply(program, [...trained, ...inputs]);
    if (!loss) throw new Error("a loss program has a loss");
    return [scale ? loss.mul(scale) : loss, [loss, ...others]] as const;
  };
  const [, [loss, ...others], scaled] = valueAuxAndGrad(lossOf)(parameters);
  const metricCount = others.length - statistics.length;
  return {
    loss,
    metrics: others.slice(0, metricCount),
    statistics: others.slice(metricCount),
    gradient: scale ? scaled.map((each) => each.div(scale)) : scaled,
    finite: scale ? [allFinite(scaled)] : [],
  };
}

/** The smallest loss program that holds `rows` examples. */
export function programFor(job: CheckedJob, rows: number): LossProgram {
  const program = job.loss.find(({ batch }) => batch >= rows);
  if (!program) {
    const largest = job.loss.at(-1)?.batch ?? 0;
    throw new JobRefusedError(
      `an order of ${rows} examples passes the job's largest batch of ${largest}; lower the batch size`,
    );
  }
  return program;
}

type Gradient = Awaited<ReturnType<Trainer["gradient"]>>;

export function compileGradientSteps(job: CheckedJob): Trainer["gradient"] {
  const ofPart = compilePart(job);
  const { work } = job.document.round;
  const most = (work.kind === "gradient" ? work.microBatch : undefined) ?? Infinity;
  return async (base: Float32Array, examples: ExampleRows, seed: number) => {
    const { dataset, rows } = examples;
    if (rows.length <= most) return ofPart(base, examples, { seed, part: 0 });
    let sum: Gradient | undefined;
    for (let start = 0, part = 0; start < rows.length; start += most, part++) {
      const gradient = await ofPart(base, { dataset, rows: rows.subarray(start, start + most) }, { seed, part });
      sum = add(sum, gradient, gradient.weight / rows.length);
    }
    if (!sum) throw new Error("a batch has at least one part");
    return sum;
  };
}

/** The gradients' mean, each with its part of the batch; the sums of the metrics. */
function add(sum: Gradient | undefined, { gradient, weight, metrics }: Gradient, part: number): Gradient {
  const before = sum ?? { gradient: new Float32Array(gradient.length), weight: 0, metrics: {} };
  for (const [i, value] of gradient.entries()) before.gradient[i] = (before.gradient[i] ?? 0) + part * value;
  const total = (name: string, value: number) => [name, (before.metrics[name] ?? 0) + value] as const;
  return {
    gradient: before.gradient,
    weight: before.weight + weight,
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, value]) => total(name, value))),
  };
}

/** The gradient over rows that go into one program. */
function compilePart(job: CheckedJob) {
  const steps = new Map(
    job.loss.map((program) => [
      program.batch,
      compile((parameters: Tensor[], inputs: StepInputs) => lossAndGradient(program, parameters, inputs)),
    ]),
  );
  const scales = lossScales(job.document);
  return async (base: Float32Array, examples: ExampleRows, random: { seed: number; part: number }) => {
    const { batch, statistics = [] } = programFor(job, examples.rows.length);
    const step = steps.get(batch);
    if (!step) throw new Error(`no step at batch ${batch}`);
    const { exampleWeights, fields } = batchTensors(examples, batch, statistics.length > 0);
    const inputs = [keyTensor(random.seed, random.part), exampleWeights, ...fields];
    const weight = examples.rows.length;
    for (const scale of scales ?? [undefined]) {
      const given = { inputs, scale: scale === undefined ? [] : [scalar(scale)] };
      const parameters = parameterTensors(job.manifest, base);
      const result = step(parameters, given);
      const [loss = NaN, ...metrics] = await readScalars([result.loss, ...result.metrics]);
      // A loss that is no number has no better gradient at another scale.
      if (Number.isFinite(loss) && (await readScalars(result.finite)).includes(0)) continue;
      const gradient = await flatten(job.manifest, result.gradient);
      await putStatistics(gradient, { job, base, places: statistics, measured: result.statistics });
      return { gradient, weight, metrics: figuresOf(job, [loss * weight, ...metrics]) };
    }
    throw overflowed(scales ?? []);
  };
}

/** A statistic has no gradient: in its place stands how far it has moved, base − now. */
async function putStatistics(
  gradient: Float32Array,
  of: { job: CheckedJob; base: Float32Array; places: readonly number[]; measured: readonly Tensor[] },
): Promise<void> {
  for (const [i, place] of of.places.entries()) {
    const offset = of.job.manifest.entries[place]?.offset ?? 0;
    const now = (await of.measured[i]?.data()) ?? [];
    for (const [j, value] of now.entries()) gradient[offset + j] = (of.base[offset + j] ?? 0) - value;
  }
}
