/** IDX files, the format of MNIST and its kin, as a dataset source. */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { DataContract, DatasetSource } from "../contract.ts";
import { DataFileError } from "../errors.ts";
import { parseIdx } from "../idx.ts";
import { loadIdxFiles } from "../loadIdx.ts";
import { readBytes, reason } from "../readBytes.ts";
import { splitDataset } from "../split.ts";

export interface IdxOptions {
  /** Share of the examples to test with, where the folder has no set of its own for it; default 0.2. */
  readonly test?: number;
  /** Which examples are held out; default 0. */
  readonly seed?: number;
}

/**
 * A folder with one file of images and one of labels, plain or .gz, or with two such sets, of which the one not named `train…`
 * is for testing: image f32[height,width,1] in 0..1, label i32[]. Other arrays of bytes keep their shape.
 */
export function idx(folder: string, options: IdxOptions = {}): DatasetSource {
  return {
    name: basename(folder),
    load: async () => {
      const { train, test } = await setsOf(folder);
      const contract = await contractOf(folder, train);
      const first = await loadIdxFiles(folder, train, contract);
      if (!test) return splitDataset(first, { test: options.test ?? 0.2, seed: options.seed ?? 0 });
      return { train: first, test: await loadIdxFiles(folder, test, contract) };
    },
  };
}

/**
 * Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), 60,000 and 10,000 images of clothes, from a folder with its four IDX files: by
 * default where Debian's package dataset-fashion-mnist puts them.
 */
export function fashionMnist(folder = "/usr/share/datasets/fashion-mnist"): DatasetSource {
  const source = idx(folder);
  return {
    name: "fashion-mnist",
    load: async () => {
      try {
        return await source.load();
      } catch (cause) {
        throw new DataFileError(
          `fashionMnist: ${reason(cause)}; install Debian's dataset-fashion-mnist, or give the folder of its four IDX files`,
          { cause },
        );
      }
    },
  };
}

async function setsOf(folder: string): Promise<{ train: string[]; test: string[] | undefined }> {
  let names: string[];
  try {
    names = (await readdir(folder)).filter((name) => /idx\d/i.test(name)).sort();
  } catch (cause) {
    throw new DataFileError(`${folder}: cannot be read (${reason(cause)}); check the path`, { cause });
  }
  const paths = (chosen: readonly string[]) => chosen.map((name) => join(folder, name));
  if (names.length === 2) return { train: paths(names), test: undefined };
  const train = names.filter((name) => name.startsWith("train"));
  const others = names.filter((name) => !name.startsWith("train"));
  if (train.length === 2 && others.length === 2) return { train: paths(train), test: paths(others) };
  throw new DataFileError(
    `${folder}: expected two IDX files, or two named train… and two others, got ${names.join(", ") || "none"}`,
  );
}

/** Read off the training files: the array of higher rank is the input. */
async function contractOf(folder: string, files: readonly string[]): Promise<DataContract> {
  const arrays = [];
  for (const file of files) arrays.push(parseIdx(await readBytes(file), file));
  const [labels, inputs] = arrays.toSorted((a, b) => a.shape.length - b.shape.length);
  if (!inputs || labels?.shape.length !== 1 || !(inputs.numbers instanceof Uint8Array)) {
    throw new DataFileError(`${folder}: expected one array of bytes with an example a row, and one row of labels`);
  }
  const [, ...shape] = inputs.shape;
  let most = 0;
  for (const label of labels.numbers) most = Math.max(most, label);
  return {
    fields: [
      {
        name: "image",
        shape: shape.length === 2 ? [...shape, 1] : shape,
        dtype: "f32",
        stored: "u8",
        scale: 1 / 255,
        range: [0, 1],
      },
      { name: "label", shape: [], dtype: "i32", stored: most <= 255 ? "u8" : "i32", scale: 1, range: [0, most] },
    ],
  };
}
