/** The last step of every loader: what was read must keep the contract. */
import { checkContract } from "./checkContract.ts";
import type { DataContract, Dataset } from "./contract.ts";
import { ContractError, DataFileError } from "./errors.ts";

/** @throws {DataFileError} naming the file or folder, when the dataset is empty or breaks the contract */
export function checkedDataset(path: string, dataset: Dataset, contract: DataContract): Dataset {
  if (dataset.size === 0) throw new DataFileError(`${path}: expected at least one example, got none; add data`);
  try {
    checkContract(dataset, contract);
  } catch (error) {
    if (error instanceof ContractError) throw new DataFileError(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
  return dataset;
}
