/** Datasets from a module of the user's own: its default export is the data, or gives it. */
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import { checkedDataset } from "./checkedDataset.ts";
import type { DataContract, Dataset, DatasetSource } from "./contract.ts";
import { DataFileError } from "./errors.ts";
import { reason } from "./readBytes.ts";

/** What the default export may be; of a source, the training part is taken. */
export type DataModule = Dataset | DatasetSource | (() => Dataset | DatasetSource | Promise<Dataset | DatasetSource>);

export async function loadModule(path: string, contract: DataContract): Promise<Dataset> {
  const exported = await defaultExport(path);
  let value: unknown;
  try {
    value = typeof exported === "function" ? await (exported as () => unknown)() : exported;
    if (isSource(value)) value = (await value.load()).train;
  } catch (cause) {
    throw new DataFileError(`${path}: its default export failed (${reason(cause)}); run it by itself to see why`, {
      cause,
    });
  }
  if (!isDataset(value)) {
    throw new DataFileError(
      `${path}: expected a default export that is a Dataset { contract, size, columns }, a source { name, load } or a ` +
        `function returning one, got ${value === null ? "null" : typeof value}`,
    );
  }
  return checkedDataset(path, value, contract);
}

async function defaultExport(path: string): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(resolve(path)).href)) as Readonly<Record<string, unknown>>;
    return module["default"];
  } catch (cause) {
    throw new DataFileError(`${path}: cannot be imported (${reason(cause)}); run it by itself to see why`, { cause });
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const isSource = (value: unknown): value is DatasetSource => isObject(value) && typeof value["load"] === "function";

const isDataset = (value: unknown): value is Dataset =>
  isObject(value) &&
  isObject(value["contract"]) &&
  Array.isArray(value["contract"]["fields"]) &&
  typeof value["size"] === "number" &&
  Array.isArray(value["columns"]);
