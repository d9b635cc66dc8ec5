/** Traces a definition into the Programs of a job document (their signatures are given in protocol's job.ts). */
import type { DataContract } from "@weft/data";
import { apply, applyWithState, initialize, statisticsOf } from "@weft/nn";
import { mixedPrecision } from "@weft/nn/mixedPrecision";
import type { Program, Tensor, TensorType } from "@weft/tensor";
import { maximum, trace, vmap } from "@weft/tensor";
import type { BatchMean, JobDefinition } from "./defineJob.ts";

export interface NamedParameter {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface TracedPrograms {
  readonly parameters: readonly NamedParameter[];
  /** Places among the parameters of those that are running statistics. */
  readonly statistics: readonly number[];
  readonly initialize: Program;
  /** The statistics as the batch leaves them come after the metrics. */
  readonly loss: (batch: number) => Program;
  readonly evaluate: (batch: number) => Program;
  readonly predict: (batch: number) => Program;
}

const keyType: TensorType = { shape: [2], dtype: "u32" };

export function tracePrograms(definition: JobDefinition, contract: DataContract): TracedPrograms {
  const { model, precision } = definition;
  const trained = precision ? mixedPrecision(model, { compute: precision.compute }) : model;
  const fieldTypes = (batch: number): TensorType[] =>
    contract.fields.map(({ shape, dtype }) => ({ shape: [batch, ...shape], dtype }));
  const inputTypes = (batch: number) => fieldTypes(batch).slice(0, -1);
  let parameters: readonly NamedParameter[] = [];
  const initializer = trace(
    (key: Tensor) => {
      const values = initialize(model, key, only(inputTypes(1)));
      parameters = Object.entries(values).map(([name, { shape }]) => ({ name, shape }));
      return Object.values(values);
    },
    [keyType],
  );
  const parameterTypes = parameters.map(({ shape }): TensorType => ({ shape, dtype: "f32" }));
  const named = (values: readonly Tensor[]) =>
    Object.fromEntries(parameters.map(({ name }, i) => [name, values[i] ?? missing(name)]));
  const means = [definition.loss, ...Object.values(definition.metrics ?? {})];
  const weightType = (batch: number): TensorType => ({ shape: [batch], dtype: "f32" });
  const count = parameters.length;

  const statisticNames = new Set(statisticsOf(model, only(inputTypes(1))));
  const statistics = parameters.flatMap(({ name }, i) => (statisticNames.has(name) ? [i] : []));
  const traceLoss = (batch: number) =>
    trace(
      (...values: Tensor[]) => {
        const [key = missing("key"), weights = missing("weights"), ...fields] = values.slice(count);
        const applied = applyWithState(trained, named(values), only(fields.slice(0, -1)), { key, training: true });
        const [loss = missing("loss"), ...metrics] = weightedSums(means, {
          predictions: applied.output,
          fields,
          weights,
        });
        const updated = statistics.map((i) => applied.statistics[parameters[i]?.name ?? ""] ?? missing("statistic"));
        // A batch of padding alone has loss 0, not 0/0.
        return [loss.div(maximum(weights.sum(), 1)), ...metrics, ...updated];
      },
      [...parameterTypes, keyType, weightType(batch), ...fieldTypes(batch)],
    );

  return {
    parameters,
    statistics,
    initialize: initializer,
    loss: traceLoss,
    evaluate: (batch) =>
      trace(
        (...values: Tensor[]) => {
          const [weights = missing("weights"), ...fields] = values.slice(count);
          const predictions = apply(model, named(values), only(fields.slice(0, -1)));
          return weightedSums(means, { predictions, fields, weights });
        },
        [...parameterTypes, weightType(batch), ...fieldTypes(batch)],
      ),
    predict: (batch) =>
      trace(
        (...values: Tensor[]) => [apply(model, named(values), only(values.slice(count)))],
        [...parameterTypes, ...inputTypes(batch)],
      ),
  };
}

/** Σ over the batch of weight · value, for each function; values of single examples by vmap over a batch of one. */
function weightedSums(
  means: readonly BatchMean[],
  batch: { predictions: Tensor; fields: readonly Tensor[]; weights: Tensor },
): Tensor[] {
  const targets = batch.fields.at(-1) ?? missing("target");
  return means.map((mean) => {
    const perExample = vmap((prediction: Tensor, target: Tensor) =>
      mean(prediction.expandDims(0), target.expandDims(0)),
    )(batch.predictions, targets);
    return perExample.mul(batch.weights).sum();
  });
}

/** Models take one input; a contract of several input fields needs a model that takes them joined. */
function only<T>(inputs: readonly T[]): T {
  const [input] = inputs;
  if (inputs.length !== 1 || input === undefined) throw new Error(`expected one input field, got ${inputs.length}`);
  return input;
}

function missing(what: string): never {
  throw new Error(`no ${what} among the program's arguments`);
}
