/** Training on a worker's own share between two versions of the model: E epochs of the local optimiser. */
import { assembleBatch, permutation } from "@weft/data";
import { figuresOf } from "./batches.ts";
import { OrderDeclinedError } from "./errors.ts";
import { programFor } from "./gradientStep.ts";
import type { CheckedJob } from "./job.ts";
import { createTraining } from "./modelInTraining.ts";
import type { ExampleRows, LocalWork, Trainer } from "./training.ts";

export function createLocalTraining(job: CheckedJob): Trainer["train"] {
  const start = createTraining(job);

  return async (base: Float32Array, { dataset, rows }: ExampleRows, work: LocalWork) => {
    const capacity = programFor(job, Math.min(work.batchSize, rows.length)).batch;
    const model = start(base, work.optimizer);
    let totals = new Float64Array(1 + job.document.metrics.length);
    let steps = 0;
    for (let epoch = 0; epoch < work.epochs; epoch++) {
      totals = totals.map(() => 0);
      const order = permutation(rows.length, work.seed, epoch).map((i) => rows[i] ?? 0);
      for (let first = 0; first < order.length; first += work.batchSize) {
        const batch = order.subarray(first, first + work.batchSize);
        const random = { seed: work.seed, step: steps++ };
        const [loss = NaN, ...metrics] = await model.step(assembleBatch(dataset, batch, capacity), random);
        if (!Number.isFinite(loss)) throw new OrderDeclinedError("non-finite-loss", divergedText(loss, steps));
        [loss * batch.length, ...metrics].forEach((sum, i) => (totals[i] = (totals[i] ?? 0) + sum));
        await work.onStep?.();
      }
    }
    const trained = await model.weights();
    const change = trained.map((value, i) => (base[i] ?? 0) - value);
    return { change, weight: rows.length, metrics: figuresOf(job, totals) };
  };
}

const divergedText = (loss: number, step: number) =>
  `the loss became ${loss} at local step ${step}; lower the local learning rate`;
