/** Runs a checked job on the current backend: initial weights, gradients, local training, evaluation, prediction. */
import type { Tensor } from "@weft/tensor";
import { apply, compile } from "@weft/tensor";
import { batchTensors, batchesOf, figuresOf, flatten, keyTensor, parameterTensors, readScalars } from "./batches.ts";
import { outputTypes } from "./job.ts";
import { compileGradientSteps } from "./gradientStep.ts";
import type { CheckedJob } from "./job.ts";
import { createLocalTraining } from "./localTraining.ts";
import { createLock } from "./lock.ts";
import type { Trainer } from "./training.ts";

export function createTrainer(job: CheckedJob): Trainer {
  const exclusive = createLock();
  const initialize = compile((key: Tensor) => apply(job.initialize, [key]));
  const gradient = compileGradientSteps(job);
  const train = createLocalTraining(job);
  const evaluate = compile((inputs: Tensor[]) => apply(job.evaluate.program, inputs));
  const predict = compile((inputs: Tensor[]) => apply(job.predict.program, inputs));
  return {
    job,
    initialize: (seed) => exclusive(async () => flatten(job.manifest, initialize(keyTensor(seed, 0)))),
    gradient: (base, examples, seed) => exclusive(() => gradient(base, examples, seed)),
    train: (base, examples, work) => exclusive(() => train(base, examples, work)),

    evaluate: (weights, dataset) =>
      exclusive(async () => {
        const totals = new Float64Array(1 + job.document.metrics.length);
        const parameters = parameterTensors(job.manifest, weights);
        for (const rows of batchesOf(dataset.size, job.evaluate.batch)) {
          const { exampleWeights, fields } = batchTensors({ dataset, rows }, job.evaluate.batch);
          const sums = await readScalars(evaluate([...parameters, exampleWeights, ...fields]));
          sums.forEach((sum, i) => (totals[i] = (totals[i] ?? 0) + sum));
        }
        return figuresOf(
          job,
          totals.map((total) => total / Math.max(1, dataset.size)),
        );
      }),

    predict: (weights, dataset) =>
      exclusive(async () => {
        const parameters = parameterTensors(job.manifest, weights);
        const parts: Float32Array[] = [];
        for (const rows of batchesOf(dataset.size, job.predict.batch)) {
          const { fields } = batchTensors({ dataset, rows }, job.predict.batch);
          const [prediction] = predict([...parameters, ...fields.slice(0, -1)]);
          if (!prediction) throw new Error("a predict program has one output");
          const rowElements = prediction.size / job.predict.batch;
          parts.push(Float32Array.from(await prediction.data()).subarray(0, rows.length * rowElements));
        }
        const [, ...shape] = outputTypes(job.predict.program)[0]?.shape ?? [];
        return { values: concatenate(parts), shape: [dataset.size, ...shape] };
      }),
  };
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
