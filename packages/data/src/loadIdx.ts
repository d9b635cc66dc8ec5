/** Datasets from IDX files: one file per field, found beside each other. */
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { checkedDataset } from "./checkedDataset.ts";
import type { DataContract, Dataset, FieldContract } from "./contract.ts";
import { allocateColumn, elementsOf, fieldText } from "./contract.ts";
import { DataFileError } from "./errors.ts";
import type { IdxArray } from "./idx.ts";
import { parseIdx } from "./idx.ts";
import { readBytes } from "./readBytes.ts";
import { storeNumber } from "./storeNumber.ts";

/**
 * From one file of the set: its companions are the IDX files of the same folder that are named alike (`train-images…` and
 * `train-labels…`), whichever of them was given.
 */
export async function loadIdxFile(path: string, contract: DataContract): Promise<Dataset> {
  const folder = dirname(path);
  const prefix = stem(basename(path));
  const names = (await readdir(folder)).filter((name) => idxName.test(name) && stem(name) === prefix);
  return loadIdxFiles(
    path,
    names.map((name) => join(folder, name)),
    contract,
  );
}

/** From a folder that holds one set of IDX files, or several, of which the one named `train…` is taken. */
export async function loadIdxFolder(
  folder: string,
  names: readonly string[],
  contract: DataContract,
): Promise<Dataset> {
  const training = names.filter((name) => name.startsWith("train"));
  const chosen = names.length > contract.fields.length ? training : names;
  return loadIdxFiles(
    folder,
    chosen.map((name) => join(folder, name)),
    contract,
  );
}

/** Matches files to fields by the shape of an example: images [n, 28, 28] fit f32[28,28,1], labels [n] fit i32[]. */
export async function loadIdxFiles(path: string, files: readonly string[], contract: DataContract): Promise<Dataset> {
  const arrays: { readonly file: string; readonly array: IdxArray }[] = [];
  for (const file of files) arrays.push({ file, array: parseIdx(await readBytes(file), file) });
  const sources = contract.fields.map((field) => {
    const index = arrays.findIndex(({ array }) => fits(array, field));
    const [source] = index < 0 ? [] : arrays.splice(index, 1);
    if (source) return source;
    const found = arrays.map(({ file, array }) => `${basename(file)} [${array.shape.join()}]`).join(", ") || "none";
    throw new DataFileError(
      `${path}: expected an IDX file with rows of ${fieldText(field)}, got ${found}; put one file for each field beside the other`,
    );
  });
  const size = sources[0]?.array.shape[0] ?? 0;
  const columns = sources.map(({ file, array }, f) => {
    const rows = array.shape[0] ?? 0;
    if (rows !== size) {
      throw new DataFileError(
        `${file}: expected ${size} rows as in ${sources[0]?.file ?? path}, got ${rows}; match the files`,
      );
    }
    const field = contract.fields[f];
    if (!field) throw new Error("fewer fields than sources");
    return columnFrom(field, array, file);
  });
  return checkedDataset(path, { contract, size, columns }, contract);
}

const idxName = /idx\d/i;

/** What the files of one set share: the name up to what it holds. */
const stem = (name: string) => name.replace(/(images|labels|data|targets?).*$/i, "");

/** Axes of size 1 are free to be there or not. */
const essential = (shape: readonly number[]) => shape.filter((n) => n !== 1).join();

const fits = ({ shape }: IdxArray, field: FieldContract) => essential(shape.slice(1)) === essential(field.shape);

function columnFrom(field: FieldContract, { shape, numbers }: IdxArray, file: string) {
  const column = allocateColumn(field, shape[0] ?? 0);
  if (numbers instanceof Uint8Array) {
    column.set(numbers);
    return column;
  }
  const elements = elementsOf(field);
  numbers.forEach((number, index) => {
    storeNumber(field, number, { column, index, where: `${file}, row ${Math.floor(index / elements)}` });
  });
  return column;
}
