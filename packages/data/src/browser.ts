/** Datasets, batching and partitioners, as a browser has them: what is stored in files stays with the coordinator, which serves it. */
import type { DatasetSource } from "./contract.ts";
import { DataFileError } from "./errors.ts";

export * from "./portable.ts";

export const mnist = (): DatasetSource => served("mnist");
export const fashionMnist = (): DatasetSource => served("fashion-mnist");
export const digits = (): DatasetSource => served("digits");
export const csv = (path: string): DatasetSource => served(path);
export const idx = (folder: string): DatasetSource => served(folder);
export const imageFolder = (folder: string): DatasetSource => served(folder);

function served(name: string): DatasetSource {
  const message = `${name}: a browser has no dataset files; the coordinator serves the examples that a worker is given`;
  return { name, load: () => Promise.reject(new DataFileError(message)) };
}
