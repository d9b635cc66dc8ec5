/** Part of a dataset as a dataset of its own. */
import { selectRows, datasetFromRows } from "./batch.ts";
import type { Dataset } from "./contract.ts";

/** The examples at `indices`, in their order. Copies. */
export function selectDataset(dataset: Dataset, indices: ArrayLike<number>): Dataset {
  return datasetFromRows(dataset.contract, indices.length, selectRows(dataset, indices));
}
