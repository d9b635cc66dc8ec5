/** Training on a worker's own share between two versions of the model: epochs, or steps, of the local optimiser. */
import { permutation } from "@weft/data";
import { adopt, type Tensor } from "@weft/tensor";
import { figuresOf, paddedBatch } from "./batches.ts";
import { OrderDeclinedError } from "./errors.ts";
import { programFor } from "./gradientStep.ts";
import type { CheckedJob } from "./job.ts";
import { createTraining, type ModelInTraining } from "./modelInTraining.ts";
import type { ExampleRows, LocalWork, Trainer } from "./training.ts";

export function createLocalTraining(job: CheckedJob): Trainer["train"] {
  const start = createTraining(job);

  return async (base: Float32Array, { dataset, rows }: ExampleRows, work: LocalWork) => {
    const { batch: capacity, statistics = [] } = programFor(job, Math.min(work.batchSize, rows.length));
    const model = start(base, work.optimizer, work.correction);
    if (work.optimizerState !== undefined) await goOn(model, work.optimizerState);
    const totals = new Float64Array(1 + job.document.metrics.length);
    let steps = 0;
    let examples = 0;
    for (const { batch, beginsEpoch } of batchesOfWork(rows, work)) {
      // Of epochs, the last one's sums are told; of steps, those of all.
      if (beginsEpoch && work.epochs !== undefined) {
        totals.fill(0);
        examples = 0;
      }
      const random = { seed: work.seed, step: steps++ };
      const filled = paddedBatch(dataset, batch, { capacity, filling: statistics.length > 0 });
      const [loss = NaN, ...metrics] = await model.step(filled, random);
      if (!Number.isFinite(loss)) throw new OrderDeclinedError("non-finite-loss", divergedText(loss, steps));
      [loss * batch.length, ...metrics].forEach((sum, i) => (totals[i] = (totals[i] ?? 0) + sum));
      examples += batch.length;
      await work.onStep?.();
    }
    const change = await model.change(base, work.room);
    model.end();
    const weight = rows.length;
    const metrics = figuresOf(job, examples === weight ? totals : totals.map((sum) => (sum * weight) / examples));
    const optimizerState = async () => Promise.all((await model.optimizerState()).map(bitsOf));
    return { change, weight, metrics, steps, optimizerState };
  };
}

/** Every epoch in an order of its own; steps go on into as many epochs as they take. */
function* batchesOfWork(
  rows: Uint32Array,
  { epochs = Infinity, steps = Infinity, batchSize, seed }: LocalWork,
): Generator<{ readonly batch: Uint32Array; readonly beginsEpoch: boolean }> {
  let done = 0;
  for (let epoch = 0; epoch < epochs && done < steps; epoch++) {
    const order = permutation(rows.length, seed, epoch).map((i) => rows[i] ?? 0);
    for (let first = 0; first < order.length && done < steps; first += batchSize, done++) {
      yield { batch: order.subarray(first, first + batchSize), beginsEpoch: first === 0 };
    }
  }
}

/** A flat vector holds bits of any type of four bytes, so that a worker keeps all it keeps alike. */
async function bitsOf(state: Tensor): Promise<Float32Array> {
  const values = await state.data();
  return new Float32Array(values.buffer, values.byteOffset, values.length);
}

async function goOn(model: ModelInTraining, kept: readonly Float32Array[]): Promise<void> {
  const now = await model.optimizerState();
  const fits = now.length === kept.length && now.every(({ size }, i) => kept[i]?.length === size);
  if (!fits) return;
  model.setOptimizerState(
    now.map(({ shape, dtype }, i) => {
      const { buffer, byteOffset, length } = kept[i]?.slice() ?? new Float32Array();
      const typed = { f32: Float32Array, i32: Int32Array, u32: Uint32Array };
      if (!(dtype in typed)) throw new Error(`an optimiser's state of dtype ${dtype} is not kept`);
      return adopt(new typed[dtype as keyof typeof typed](buffer, byteOffset, length), { shape, dtype });
    }),
  );
}

const divergedText = (loss: number, step: number) =>
  `the loss became ${loss} at local step ${step}; lower the local learning rate`;
