/** Brings a user's own data: looks at what a path holds and reads it by that. */
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { DataContract, Dataset } from "./contract.ts";
import { DataFileError } from "./errors.ts";
import { isIdx } from "./idx.ts";
import { loadCsv } from "./loadCsv.ts";
import { loadIdxFile, loadIdxFolder } from "./loadIdx.ts";
import { imageName, loadImageFolder } from "./loadImages.ts";
import { loadModule } from "./loadModule.ts";
import { readBytes, reason } from "./readBytes.ts";

/**
 * Reads the data at `path` and checks it against `contract`. A path may be:
 * - a folder of IDX files, or one of them; plain or .gz
 * - a CSV file, plain or .gz; see `loadCsv`
 * - a folder with one subfolder of PNG or JPEG images per class; see `loadImageFolder`
 * - a module (.ts, .js, .mjs) whose default export is a Dataset, a DatasetSource or a function that gives one
 *
 * @throws {DataFileError} naming file, row, what was expected, what came, and what to do
 */
export async function loadPath(path: string, contract: DataContract): Promise<Dataset> {
  return (await isFolder(path)) ? loadFolder(path, contract) : loadFile(path, contract);
}

async function loadFile(path: string, contract: DataContract): Promise<Dataset> {
  if (/\.(ts|mts|js|mjs)$/i.test(path)) return loadModule(path, contract);
  const bytes = await readBytes(path);
  if (isIdx(bytes)) return loadIdxFile(path, contract);
  const nul = bytes.subarray(0, 4096).includes(0);
  if (nul || imageName.test(path)) {
    throw new DataFileError(
      `${path}: ${accepted}; got another kind of file; convert it or write a module that reads it`,
    );
  }
  return loadCsv(path, contract);
}

async function loadFolder(folder: string, contract: DataContract): Promise<Dataset> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith(".")).sort();
  const idxFiles: string[] = [];
  const classFolders: string[] = [];
  for (const name of names) {
    const path = join(folder, name);
    if (await isFolder(path)) {
      if ((await readdir(path)).some((file) => imageName.test(file))) classFolders.push(name);
    } else if ((await mayBeIdx(path)) && isIdx(await readBytes(path))) idxFiles.push(name);
  }
  if (idxFiles.length > 0) return loadIdxFolder(folder, idxFiles, contract);
  if (classFolders.length > 0) return loadImageFolder(folder, classFolders, contract);
  const found = names.slice(0, 5).join(", ") || "nothing in it";
  throw new DataFileError(`${folder}: ${accepted}; got a folder with ${found}`);
}

/** Follows links. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw new DataFileError(`${path}: cannot be read (${reason(cause)}); check the path and its permissions`, {
      cause,
    });
  }
}

const accepted =
  "expected a folder of IDX files, a CSV file, a folder with one subfolder of images per class, or a .ts, .js or .mjs module";

/** By the first two bytes, zeros or those of gzip, so that large files of other kinds are not read. */
async function mayBeIdx(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(new Uint8Array(2), 0, 2, 0);
    return (buffer[0] === 0 && buffer[1] === 0) || (buffer[0] === 0x1f && buffer[1] === 0x8b);
  } finally {
    await file.close();
  }
}
