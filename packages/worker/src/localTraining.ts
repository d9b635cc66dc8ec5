/** Training on a worker's own share between two versions of the model: E epochs of the local optimiser. */
import { permutation } from "@weft/data";
import { createOptimizer } from "@weft/optim";
import type { JobRound } from "@weft/protocol";
import type { Tensor } from "@weft/tensor";
import { compile } from "@weft/tensor";
import { batchTensors, figuresOf, flatten, keyTensor, parameterTensors, readScalars } from "./batches.ts";
import { OrderDeclinedError } from "./errors.ts";
import type { LossInputs } from "./gradientStep.ts";
import { lossAndGradient, programFor } from "./gradientStep.ts";
import type { CheckedJob, LossProgram } from "./job.ts";
import type { ExampleRows, LocalWork, Trainer } from "./training.ts";

export function createLocalTraining(job: CheckedJob): Trainer["train"] {
  const steps = new Map<string, ReturnType<typeof compileStep>>();
  const stepFor = (program: LossProgram, optimizer: JobRound["server"]) => {
    const name = `${program.batch} ${JSON.stringify(optimizer)}`;
    const step = steps.get(name) ?? compileStep(program, optimizer);
    steps.set(name, step);
    return step;
  };

  return async (base: Float32Array, { dataset, rows }: ExampleRows, work: LocalWork) => {
    const program = programFor(job, Math.min(work.batchSize, rows.length));
    const step = stepFor(program, work.optimizer);
    let parameters = parameterTensors(job.manifest, base);
    let state = createOptimizer(work.optimizer).init(parameters);
    let totals = new Float64Array(1 + job.document.metrics.length);
    let steps = 0;
    for (let epoch = 0; epoch < work.epochs; epoch++) {
      totals = totals.map(() => 0);
      const order = permutation(rows.length, work.seed, epoch).map((i) => rows[i] ?? 0);
      for (let start = 0; start < order.length; start += work.batchSize) {
        const batch = order.subarray(start, start + work.batchSize);
        const { exampleWeights, fields } = batchTensors({ dataset, rows: batch }, program.batch);
        const next = step(parameters, state, [keyTensor(work.seed, steps++), exampleWeights, ...fields]);
        ({ parameters, state } = next);
        const [loss = NaN, ...metrics] = await readScalars([next.loss, ...next.metrics]);
        if (!Number.isFinite(loss)) throw new OrderDeclinedError("non-finite-loss", divergedText(loss, steps));
        [loss * batch.length, ...metrics].forEach((sum, i) => (totals[i] = (totals[i] ?? 0) + sum));
        await work.onStep?.();
      }
    }
    const trained = await flatten(job.manifest, parameters);
    const change = trained.map((value, i) => (base[i] ?? 0) - value);
    return { change, weight: rows.length, metrics: figuresOf(job, totals) };
  };
}

function compileStep(program: LossProgram, spec: JobRound["server"]) {
  const optimizer = createOptimizer(spec);
  return compile(
    (parameters: Tensor[], state: Tensor[], inputs: LossInputs) => {
      const { loss, metrics, gradient } = lossAndGradient(program, parameters, inputs);
      return { ...optimizer.update(parameters, gradient, state), loss, metrics };
    },
    { donate: [0, 1] },
  );
}

const divergedText = (loss: number, step: number) =>
  `the loss became ${loss} at local step ${step}; lower the local learning rate`;
