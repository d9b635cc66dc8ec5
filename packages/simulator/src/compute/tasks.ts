/** The work of a simulated worker, on whichever thread: training for an order, measuring a version. */
import { selectDataset, type Dataset } from "@weft/data";
import {
  answerOrder,
  encodeUpdate,
  fragmentFor,
  OrderDeclinedError,
  wholeModel,
  type StateVectors,
  type Trainer,
} from "@weft/worker";
import type { TrainingAnswer, TrainingTask } from "./compute.ts";

export interface Sets {
  readonly train: Dataset;
  readonly test: Dataset | undefined;
}

/** Examples of the test set that are measured together: the same on any number of threads, and with it the order of sums. */
const testPart = 1000;

/** @param room memory for what is trained; the answer may lie there */
export async function train(
  trainer: Trainer,
  { base, order, round, rows, state }: TrainingTask,
  { train: dataset, room }: { readonly train: Dataset; readonly room?: Float32Array | undefined },
): Promise<TrainingAnswer> {
  const read = (name: string) => state[name];
  const examples = {
    served: (served: Uint32Array) => Promise.resolve({ dataset, rows: served }),
    share: () => Promise.resolve({ dataset, rows }),
  };
  try {
    const context = { round, base, examples, state: { read }, room };
    const { vectors, kept, ...answer } = await answerOrder(trainer, order, context);
    if (Object.values(answer.metrics).some((value) => !Number.isFinite(value))) {
      return { kind: "declined", code: "non-finite", reason: "the loss or a metric is no number" };
    }
    const { codec, index: part } = fragmentFor(trainer.job, round);
    const { payload, owed } = encodeUpdate(codec, vectors, { seed: order.seed, state: { read }, part });
    const { weight, metrics, figures } = answer;
    return { kind: "update", payload, weight, metrics, figures, kept: { ...kept, ...owed } };
  } catch (error) {
    if (!(error instanceof OrderDeclinedError)) throw error;
    return { kind: "declined", code: error.reasonCode, reason: error.message };
  }
}

/** Means over some rows of a set. */
export async function measure(
  trainer: Trainer,
  { base, rows, state }: { base: Float32Array; rows: Uint32Array; state: StateVectors },
  dataset: Dataset,
): Promise<Record<string, number>> {
  const model = await wholeModel(trainer, base, (name) => state[name]);
  return trainer.evaluate(model, selectDataset(dataset, rows));
}

/** Whether versions can be measured apart from workers: not where a part of the model is each worker's own. */
export const isMeasurable = ({ job }: Pick<Trainer, "job">): boolean =>
  job.document.parameters.every(({ local }) => local !== true);

/** The test set in parts. */
export function testParts({ size }: Dataset): Uint32Array[] {
  return Array.from({ length: Math.ceil(size / testPart) }, (_, part) => {
    const start = part * testPart;
    return Uint32Array.from({ length: Math.min(testPart, size - start) }, (_row, i) => start + i);
  });
}

/** The means over all of the test set, of those over its parts in their order. */
export function meansOf(
  parts: readonly { readonly examples: number; readonly means: Readonly<Record<string, number>> }[],
): Record<string, number> {
  const sums = new Map<string, number>();
  let all = 0;
  for (const { examples, means } of parts) {
    all += examples;
    for (const [name, mean] of Object.entries(means)) sums.set(name, (sums.get(name) ?? 0) + mean * examples);
  }
  return Object.fromEntries([...sums].map(([name, sum]) => [name, sum / Math.max(1, all)]));
}
