/** A folder with one subfolder of images per class, as a dataset source. */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { DataContract, Dataset, DatasetSource } from "../contract.ts";
import { DataFileError } from "../errors.ts";
import { decodeImage, imageName, loadImageFolder } from "../loadImages.ts";
import { readBytes, reason } from "../readBytes.ts";
import type { HeldOut } from "./heldOut.ts";
import { withTest } from "./heldOut.ts";

export interface ImageFolderOptions {
  /** 1 for grey, 3 for red, green and blue; default: as the first image has it. */
  readonly channels?: 1 | 3;
  /** What to test with: a share of the images, or another such folder; default 0.2, or the subfolder `test` beside `train`. */
  readonly test?: HeldOut;
  /** Which images are held out; default 0. */
  readonly seed?: number;
}

/**
 * PNG and JPEG, all of the size of the first one: image f32[height,width,channels] in 0..1, label i32[]. Subfolders named by
 * whole numbers give the labels, others are counted in sorted order. A folder with the subfolders `train` and `test` holds one
 * set in each.
 */
export function imageFolder(folder: string, options: ImageFolderOptions = {}): DatasetSource {
  return {
    name: basename(folder),
    load: async () => {
      const names = await subfolders(folder);
      const divided = names.includes("train") && names.includes("test");
      const train = divided ? join(folder, "train") : folder;
      const contract = await contractOf(train, options.channels);
      const read = async (path: string): Promise<Dataset> => loadImageFolder(path, await classFolders(path), contract);
      return withTest(await read(train), divided ? { ...options, test: join(folder, "test") } : options, read);
    },
  };
}

async function subfolders(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isFile() || entry.name.startsWith(".") ? [] : [entry.name])).sort();
  } catch (cause) {
    throw new DataFileError(`${folder}: cannot be read (${reason(cause)}); check the path`, { cause });
  }
}

async function classFolders(folder: string): Promise<string[]> {
  const names: string[] = [];
  for (const name of await subfolders(folder)) {
    if ((await readdir(join(folder, name))).some((file) => imageName.test(file))) names.push(name);
  }
  return names;
}

async function contractOf(folder: string, channels: 1 | 3 | undefined): Promise<DataContract> {
  const classes = await classFolders(folder);
  const [first] = classes;
  const file = first && (await readdir(join(folder, first))).filter((name) => imageName.test(name)).sort()[0];
  if (first === undefined || file === undefined) {
    throw new DataFileError(`${folder}: expected one subfolder of PNG or JPEG images per class, got none`);
  }
  const path = join(folder, first, file);
  const picture = decodeImage(await readBytes(path), path);
  const numbered = classes.every((name) => /^\d+$/.test(name));
  const highest = numbered ? Math.max(...classes.map(Number)) : classes.length - 1;
  return {
    fields: [
      {
        name: "image",
        shape: [picture.height, picture.width, channels ?? (picture.channels < 3 ? 1 : 3)],
        dtype: "f32",
        stored: "u8",
        scale: 1 / 255,
        range: [0, 1],
      },
      { name: "label", shape: [], dtype: "i32", stored: "i32", scale: 1, range: [0, highest] },
    ],
  };
}
