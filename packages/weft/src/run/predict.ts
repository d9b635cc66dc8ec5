/** Predictions for a tensor of inputs, through the same padded batches as a dataset. */
import type { Dataset } from "@weft/data";
import type { Tensor } from "@weft/tensor";
import { tensor } from "@weft/tensor";
import type { Trainer } from "@weft/worker";
import { JobError } from "../errors.ts";

export async function predictTensor(trainer: Trainer, weights: Float32Array, inputs: Tensor): Promise<Tensor> {
  const { fields } = trainer.job.document.data;
  const [field] = fields;
  const size = inputs.shape[0] ?? 0;
  if (!field || inputs.shape.slice(1).join() !== field.shape.join() || inputs.dtype !== field.dtype) {
    throw new JobError(
      `predict: expected ${field?.dtype ?? "f32"}[batch,${field?.shape.join(",") ?? ""}], got ${inputs.dtype}[${inputs.shape.join(",")}]`,
    );
  }
  const column = await inputs.data();
  const dataset: Dataset = {
    contract: { fields: [{ ...plain(field), stored: field.dtype, scale: 1 }, ...fields.slice(1).map(plain)] },
    size,
    columns: [
      field.dtype === "f32" ? Float32Array.from(column) : Int32Array.from(column),
      ...fields.slice(1).map(({ shape }) => new Uint8Array(size * shape.reduce((a, b) => a * b, 1))),
    ],
  };
  const { values, shape } = await trainer.predict(weights, dataset);
  return tensor(values, { shape });
}

type Field = Trainer["job"]["document"]["data"]["fields"][number];

/** A field without its range, which predictions do not need; targets are filled with zeros. */
const plain = ({ name, shape, dtype, scale }: Field) => ({ name, shape, dtype, stored: "u8" as const, scale });
