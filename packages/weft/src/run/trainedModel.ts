/** What one does with a model once it is trained, wherever that happened: `train` and `fit` both give it. */
import { writeFile } from "node:fs/promises";
import type { Dataset } from "@weft/data";
import type { Tensor } from "@weft/tensor";
import type { Trainer } from "@weft/worker";
import { predictTensor } from "./predict.ts";
import { weightsFile } from "./storedModel.ts";

export interface TrainedModel {
  /** Means of loss and metrics over a dataset, by default the job's test set. */
  readonly evaluate: (dataset?: Dataset) => Promise<Record<string, number>>;
  /**
   * @param inputs [batch, …], as the job's first field
   * @returns predictions [batch, …]
   */
  readonly predict: (inputs: Tensor) => Promise<Tensor>;
  /** Writes the weights as safetensors, by parameter name. */
  readonly save: (path: string) => Promise<void>;
}

/** @param from the job's programs, and what is evaluated on unless said otherwise */
export function trainedModel(from: { trainer: Trainer; test: Dataset }, weights: Float32Array): TrainedModel {
  const { trainer, test } = from;
  return {
    evaluate: (dataset = test) => trainer.evaluate(weights, dataset),
    predict: (inputs) => predictTensor(trainer, weights, inputs),
    save: (path) => writeFile(path, weightsFile(trainer, weights)),
  };
}
