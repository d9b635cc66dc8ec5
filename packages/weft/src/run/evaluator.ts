/** Measures versions on a test set, as coordinators do. */
import type { Dataset } from "@weft/data";
import { type Trainer, wholeModel } from "@weft/worker";

/** Undefined for a model of which a part is each worker's own: nobody but a worker can measure it. */
export function evaluator(
  trainer: Trainer,
  test: Dataset,
): ((version: Float32Array) => Promise<Record<string, number>>) | undefined {
  if (trainer.job.document.parameters.some(({ local }) => local === true)) return undefined;
  return async (version) => trainer.evaluate(await wholeModel(trainer, version), test);
}
