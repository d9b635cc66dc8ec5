/** Measures versions on a test set, as coordinators do. */
import type { Dataset } from "@weft/data";
import type { Trainer } from "@weft/worker";

export function evaluator(trainer: Trainer, test: Dataset): (version: Float32Array) => Promise<Record<string, number>> {
  return (version) => trainer.evaluate(version, test);
}
