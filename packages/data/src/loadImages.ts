/** Datasets from a folder with one subfolder of PNG or JPEG images per class. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { convertIndexedToRgb, decode as decodePng } from "fast-png";
import { decode as decodeJpeg } from "jpeg-js";
import { checkedDataset } from "./checkedDataset.ts";
import type { DataContract, Dataset, FieldContract } from "./contract.ts";
import { allocateColumn, elementsOf, fieldText } from "./contract.ts";
import { ContractError, DataFileError } from "./errors.ts";
import { readBytes, reason } from "./readBytes.ts";
import { storeNumber } from "./storeNumber.ts";

/**
 * Subfolders named by whole numbers give these as labels; otherwise their sorted order counts from 0, and then every class of
 * the contract must be there. Images are turned to grey for one channel, and must have the contract's size.
 */
export async function loadImageFolder(
  folder: string,
  classFolders: readonly string[],
  contract: DataContract,
): Promise<Dataset> {
  const [image, label] = imageFields(folder, contract);
  const labels = labelsOf(folder, classFolders, label);
  const files: { readonly path: string; readonly label: number }[] = [];
  for (const [name, number] of labels) {
    const names = (await readdir(join(folder, name))).filter((file) => imageName.test(file)).sort();
    files.push(...names.map((file) => ({ path: join(folder, name, file), label: number })));
  }
  const images = allocateColumn(image, files.length);
  const targets = allocateColumn(label, files.length);
  for (const [index, file] of files.entries()) {
    images.set(pixelsOf(await readBytes(file.path), file.path, image), index * elementsOf(image));
    storeNumber(label, file.label, { column: targets, index, where: file.path });
  }
  return checkedDataset(folder, { contract, size: files.length, columns: [images, targets] }, contract);
}

export const imageName = /\.(png|jpe?g)$/i;

function imageFields(folder: string, { fields }: DataContract): [FieldContract, FieldContract] {
  const [image, label] = fields;
  const channels = image?.shape[2] ?? 1;
  const isImage = image?.stored === "u8" && [2, 3].includes(image.shape.length) && [1, 3].includes(channels);
  if (fields.length !== 2 || !isImage || !label || elementsOf(label) !== 1) {
    throw new ContractError(
      `${folder}: a folder of images gives an image stored as u8 of shape [height, width, 1 or 3] and one label, ` +
        `the contract wants ${fields.map((field) => `${fieldText(field)} stored as ${field.stored}`).join("; ")}; bring CSV or a module`,
    );
  }
  return [image, label];
}

function labelsOf(folder: string, names: readonly string[], label: FieldContract): [name: string, label: number][] {
  if (names.every((name) => /^\d+$/.test(name))) return names.map((name) => [name, Number(name)]);
  const classes = label.range ? label.range[1] - label.range[0] + 1 : names.length;
  if (names.length !== classes) {
    throw new DataFileError(
      `${folder}: expected ${classes} subfolders, one per class, got ${names.length} (${names.join(", ")}); ` +
        "name them 0, 1, 2… where some classes are missing",
    );
  }
  return names.toSorted().map((name, i) => [name, i]);
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** 8 bits, row-major. */
  readonly data: ArrayLike<number>;
}

function pixelsOf(bytes: Uint8Array, path: string, field: FieldContract): Uint8Array {
  const picture = decodeImage(bytes, path);
  const [height = 0, width = 0, channels = 1] = field.shape;
  if (picture.height !== height || picture.width !== width) {
    throw new DataFileError(
      `${path}: expected an image of ${width} × ${height}, got ${picture.width} × ${picture.height}; resize it first`,
    );
  }
  const pixels = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    const at = i * picture.channels;
    const grey = picture.channels < 3;
    const [red = 0, green = red, blue = red] = [0, 1, 2].map((c) => picture.data[grey ? at : at + c]);
    if (channels === 3) pixels.set([red, green, blue], i * 3);
    else pixels[i] = grey ? red : Math.round(0.299 * red + 0.587 * green + 0.114 * blue); // luma of ITU-R BT.601
  }
  return pixels;
}

export function decodeImage(bytes: Uint8Array, path: string): Picture {
  const isPng = bytes[0] === 0x89 && bytes[1] === 0x50;
  const isJpeg = bytes[0] === 0xff && bytes[1] === 0xd8;
  if (!isPng && !isJpeg) throw new DataFileError(`${path}: expected a PNG or JPEG image, got other bytes; convert it`);
  try {
    return isPng ? fromPng(bytes) : fromJpeg(bytes);
  } catch (cause) {
    throw new DataFileError(`${path}: not a whole ${isPng ? "PNG" : "JPEG"} image (${reason(cause)}); save it again`, {
      cause,
    });
  }
}

function fromPng(bytes: Uint8Array): Picture {
  const png = decodePng(bytes, { checkCrc: true });
  const { width, height, channels, depth, data, palette } = png;
  if (palette) return { width, height, channels: palette[0]?.length ?? 3, data: convertIndexedToRgb(png) };
  if (depth === 8) return { width, height, channels, data };
  const samples = depth === 16 ? data : unpacked(data, width, depth);
  return { width, height, channels, data: Array.from(samples, (x) => Math.round((x * 255) / (2 ** depth - 1))) };
}

/** Samples of 1, 2 or 4 bits, the first in the highest bits; each row begins a new byte. Such images have one channel. */
function unpacked(bytes: ArrayLike<number>, width: number, depth: number): number[] {
  const rowBytes = Math.ceil((width * depth) / 8);
  const perByte = 8 / depth;
  return Array.from({ length: (bytes.length / rowBytes) * width }, (_, i) => {
    const [row, x] = [Math.floor(i / width), i % width];
    const byte = bytes[row * rowBytes + Math.floor(x / perByte)] ?? 0;
    return (byte >> (8 - depth * ((x % perByte) + 1))) & (2 ** depth - 1);
  });
}

function fromJpeg(bytes: Uint8Array): Picture {
  const { width, height, data } = decodeJpeg(bytes, { useTArray: true });
  return { width, height, channels: 4, data };
}
