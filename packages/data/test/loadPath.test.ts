import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { encode as encodePng } from "fast-png";
import { encode as encodeJpeg } from "jpeg-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DataContract } from "@weft/data";
import { DataFileError, loadPath } from "@weft/data";

const images: DataContract = {
  fields: [
    { name: "image", shape: [2, 3, 1], dtype: "f32", stored: "u8", scale: 1 / 255, range: [0, 1] },
    { name: "label", shape: [], dtype: "i32", stored: "u8", scale: 1, range: [0, 2] },
  ],
};
const table: DataContract = {
  fields: [
    { name: "x", shape: [2], dtype: "f32", stored: "f32", scale: 1 },
    { name: "y", shape: [1], dtype: "f32", stored: "f32", scale: 1, range: [-10, 10] },
  ],
};

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-data-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  return path;
}

/** Expects a DataFileError with all of these in its message. */
async function refused(path: string, contract: DataContract, ...parts: (string | RegExp)[]): Promise<void> {
  const error: unknown = await loadPath(path, contract).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DataFileError);
  for (const part of parts) expect((error as Error).message).toMatch(part);
}

function idx(shape: readonly number[], values: readonly number[], type = 0x08): Uint8Array {
  const width = type === 0x0c || type === 0x0d ? 4 : 1;
  const bytes = new Uint8Array(4 + 4 * shape.length + values.length * width);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0, type, shape.length]);
  shape.forEach((n, axis) => view.setUint32(4 + 4 * axis, n));
  values.forEach((value, i) => {
    const at = 4 + 4 * shape.length + i * width;
    if (type === 0x0c) view.setInt32(at, value);
    else if (type === 0x0d) view.setFloat32(at, value);
    else view.setUint8(at, value);
  });
  return bytes;
}
const pixels = [0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255];
const imageFile = idx([2, 2, 3], pixels);
const labelFile = idx([2], [2, 0]);

describe("IDX", () => {
  test("a folder, either of its files, plain or packed, gives the same dataset", async () => {
    const plain = await put("plain/train-images-idx3-ubyte", imageFile);
    await put("plain/train-labels-idx1-ubyte", labelFile);
    await put("packed/images-idx3-ubyte.gz", gzipSync(imageFile));
    const packed = await put("packed/labels-idx1-ubyte.gz", gzipSync(labelFile));
    const wanted = { contract: images, size: 2, columns: [Uint8Array.from(pixels), Uint8Array.of(2, 0)] };
    for (const path of [dirname(plain), plain, dirname(packed), packed]) {
      expect(await loadPath(path, images)).toEqual(wanted);
    }
  });

  test("of training and test files in one folder, the training files are taken", async () => {
    await put("t10k-images-idx3-ubyte", idx([1, 2, 3], [9, 9, 9, 9, 9, 9]));
    await put("t10k-labels-idx1-ubyte", idx([1], [1]));
    await put("train-images-idx3-ubyte", imageFile);
    await put("train-labels-idx1-ubyte", labelFile);
    expect((await loadPath(folder, images)).size).toBe(2);
    expect((await loadPath(join(folder, "t10k-labels-idx1-ubyte"), images)).size).toBe(1);
  });

  test("wider numbers are converted from big-endian", async () => {
    await put("data-idx2", idx([2, 2], [1.5, -2, 0, 4], 0x0d));
    await put("targets-idx1", idx([2], [7, -8], 0x0c));
    const { columns } = await loadPath(folder, table);
    expect(columns).toEqual([Float32Array.of(1.5, -2, 0, 4), Float32Array.of(7, -8)]);
  });

  test.each<[string, Record<string, Uint8Array>, (string | RegExp)[]]>([
    [
      "a cut-off file",
      { images: imageFile.slice(0, 20), labels: labelFile },
      [/images-idx/, "expected 28 bytes", "got 20"],
    ],
    ["a cut-off header", { images: imageFile.slice(0, 9), labels: labelFile }, ["header of 16 bytes, got 9"]],
    ["a missing file", { images: imageFile }, [/rows of label i32\[\], got none/]],
    [
      "images of another size",
      { images: idx([2, 3, 3], [...pixels, 0, 0, 0, 0, 0, 0]), labels: labelFile },
      [/image f32\[2,3,1\]/, /\[2,3,3\]/],
    ],
    ["fewer labels than images", { images: imageFile, labels: idx([1], [0]) }, ["expected 2 rows", "got 1"]],
    [
      "an unknown class",
      { images: imageFile, labels: idx([2], [0, 3]) },
      [/label: row 1 .* from 0 to 2, got 3/, "3 classes"],
    ],
    [
      "labels that are not whole",
      { images: imageFile, labels: idx([2], [0, 0.5], 0x0d) },
      [/labels-idx/, "row 1", "got 0.5"],
    ],
    ["no examples", { images: idx([0, 2, 3], []), labels: idx([0], []) }, ["at least one example"]],
    [
      "a size past any memory",
      { images: Uint8Array.of(0, 0, 8, 3, ...new Array<number>(12).fill(255)), labels: labelFile },
      [/got 16/],
    ],
    [
      "a broken gzip file",
      { images: gzipSync(imageFile).subarray(0, 30), labels: labelFile },
      ["not a whole gzip file"],
    ],
  ])("%s is refused", async (_, files, parts) => {
    for (const [name, bytes] of Object.entries(files)) await put(`${name}-idx`, bytes);
    await refused(folder, images, ...parts);
  });

  test("no sequence of bytes does worse than a clear error", async () => {
    const path = await put("labels-idx1", labelFile);
    const images_ = await put("images-idx3", imageFile);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 12 }), async (tail) => {
        await writeFile(images_, Uint8Array.of(0, 0, ...tail));
        const result: unknown = await loadPath(path, images).catch((reason: unknown) => reason);
        expect(result).toBeInstanceOf(DataFileError);
      }),
      { numRuns: 50 },
    );
  });
});

describe("CSV", () => {
  const wanted = { contract: table, size: 2, columns: [Float32Array.of(1, 2, 4, 5), Float32Array.of(3, -6)] };

  test.each([
    ["without a header", "1,2,3\n4,5,-6\n"],
    ["with a header", "a,b,c\n1,2,3\n4,5,-6"],
    ["with the target named and first", "y,a,b\n3,1,2\n-6,4,5\n"],
    [
      "with quotes, spaces, blank lines and Windows line ends",
      '"a, ""x""","b\nb","y"\r\n"1", 2 ,3e0\r\n\r\n4,5,-6\r\n',
    ],
    ["with a byte order mark", "\ufeff1,2,3\n4,5,-6\n"],
  ])("%s", async (_, text) => {
    expect(await loadPath(await put("data.csv", text), table)).toEqual(wanted);
    expect(await loadPath(await put("data.csv.gz", gzipSync(text)), table)).toEqual(wanted);
  });

  test.each<[string, string, (string | RegExp)[]]>([
    ["too few columns", "1,2\n", [/data.csv: expected 3 columns \(x f32\[2\], then y f32\[1\]\), got 2/]],
    ["a short row", "1,2,3\n4,5\n", ["line 2: expected 3 numbers, got 2"]],
    ["a word", "1,2,3\n\n4,five,6\n", ['line 3, column 2: expected a number for x, got "five"']],
    ["a missing value", "1,2,3\n4,,6\n", ['line 2, column 2: expected a number for x, got ""']],
    ["an infinite value", "1,2,3\n4,Infinity,6\n", ["line 2, column 2", "a finite number, got Infinity"]],
    ["a target out of range", "1,2,3\n4,5,60\n", [/y: row 1 expected a finite number from -10 to 10, got 60/]],
    ["an empty file", "", ["empty file"]],
    ["a header alone", "a,b,y\n", ["at least one example"]],
    ["a quote that never ends", '1,2,3\n"4,5,6\n', ["line 2"]],
  ])("%s is refused", async (_, text, parts) => {
    await refused(await put("data.csv", text), table, ...parts);
  });

  test("holds stored numbers, and says so where a byte is wanted", async () => {
    const row = "0,51,102,153,204,255,1";
    const { columns } = await loadPath(await put("data.csv", row), images);
    expect(columns).toEqual([Uint8Array.of(0, 51, 102, 153, 204, 255), Uint8Array.of(1)]);
    const scaled = await put("scaled.csv", "0,0.2,0.4,0.6,0.8,1,1");
    await refused(
      scaled,
      images,
      "line 1, column 2",
      "a whole number from 0 to 255, got 0.2",
      "files hold stored numbers",
    );
  });

  test("bytes that are not text, and other kinds of files, are refused", async () => {
    await refused(await put("latin.csv", Uint8Array.of(0x31, 0x2c, 0xe9)), table, "UTF-8");
    await refused(await put("data.bin", Uint8Array.of(1, 0, 2)), table, "expected a folder of IDX files, a CSV file");
    await refused(
      await put("photo.png", encodePng({ width: 1, height: 1, data: Uint8Array.of(1), channels: 1 })),
      images,
      "CSV",
    );
  });
});

describe("a folder of images", () => {
  const grey = (values: readonly number[], width = 3, height = 2) =>
    encodePng({ width, height, data: Uint8Array.from(values), channels: 1 });
  const zeros = new Array<number>(6).fill(0);

  test("takes classes by sorted name, PNG in grey, colour and 16 bits, and JPEG", async () => {
    const rgba = pixels.slice(0, 6).flatMap((p) => [p, p, p, 255]);
    await put("animals/ant/a.png", grey(pixels.slice(0, 6)));
    await put("animals/bee/a.png", encodePng({ width: 3, height: 2, data: Uint8Array.from(rgba), channels: 4 }));
    const wide = Uint16Array.from(pixels.slice(6), (p) => p * 257);
    await put("animals/bee/b.png", encodePng({ width: 3, height: 2, data: wide, channels: 1, depth: 16 }));
    const flat = new Array<number>(6).fill(200).flatMap((p) => [p, p, p, 255]);
    await put("animals/cat/a.jpg", encodeJpeg({ width: 3, height: 2, data: Uint8Array.from(flat) }, 95).data);
    await put("animals/notes.txt", "by the author");
    const { size, columns } = await loadPath(join(folder, "animals"), images);
    expect(size).toBe(4);
    expect(columns[1]).toEqual(Uint8Array.of(0, 1, 1, 2));
    expect([...(columns[0]?.slice(0, 18) ?? [])]).toEqual([
      ...pixels.slice(0, 6),
      ...pixels.slice(0, 6),
      ...pixels.slice(6),
    ]);
    for (const pixel of columns[0]?.slice(18) ?? []) expect(Math.abs(pixel - 200)).toBeLessThanOrEqual(2);
  });

  test("turns colour to grey by luma, and grey to colour by repeating", async () => {
    const colours = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 10, 10, 10];
    await put("0/a.png", encodePng({ width: 3, height: 2, data: Uint8Array.from(colours), channels: 3 }));
    expect([...((await loadPath(folder, images)).columns[0] ?? [])]).toEqual([76, 150, 29, 255, 0, 10]);
    const colour: DataContract = {
      fields: images.fields.map((f) => (f.name === "image" ? { ...f, shape: [2, 3, 3] } : f)),
    };
    expect([...((await loadPath(folder, colour)).columns[0] ?? [])]).toEqual(colours);
    await put("0/a.png", grey(pixels.slice(0, 6)));
    expect((await loadPath(folder, colour)).columns[0]?.slice(3, 6)).toEqual(Uint8Array.of(1, 1, 1));
  });

  test("reads palettes and samples of a few bits", async () => {
    const palette: [number, number, number][] = [
      [0, 0, 0],
      [255, 255, 255],
    ];
    const indexed = {
      width: 3,
      height: 2,
      channels: 1,
      depth: 1,
      data: Uint8Array.of(0b10100000, 0b01000000),
    } as const;
    await put("0/a.png", encodePng({ ...indexed, palette }));
    expect([...((await loadPath(folder, images)).columns[0] ?? [])]).toEqual([255, 0, 255, 0, 255, 0]);
    await put("0/a.png", encodePng({ ...indexed, depth: 2, data: Uint8Array.of(0b00011000, 0b11111100) }));
    expect([...((await loadPath(folder, images)).columns[0] ?? [])]).toEqual([0, 85, 170, 255, 255, 255]);
  });

  test("numbered folders give their numbers, so that classes may be missing", async () => {
    await put("2/a.png", grey(zeros));
    await put("0/a.png", grey(zeros));
    expect((await loadPath(folder, images)).columns[1]).toEqual(Uint8Array.of(0, 2));
  });

  test("mistakes are named with their file", async () => {
    await put("0/a.png", grey(new Array<number>(12).fill(0), 4, 3));
    await refused(folder, images, join("0", "a.png"), "expected an image of 3 × 2, got 4 × 3; resize");
    await put("0/a.png", grey(zeros).slice(0, 40));
    await refused(folder, images, join("0", "a.png"), "not a whole PNG image");
    await put("0/a.png", "not an image");
    await refused(folder, images, "expected a PNG or JPEG image");
    await put("0/a.jpg", Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 0));
    await put("0/a.png", grey(zeros));
    await refused(folder, images, "not a whole JPEG image");
  });

  test("classes that do not match the contract are refused", async () => {
    await put("named/ant/a.png", grey(zeros));
    await put("named/bee/a.png", grey(zeros));
    await refused(join(folder, "named"), images, "expected 3 subfolders, one per class, got 2 (ant, bee)");
    await put("numbered/7/a.png", grey(zeros));
    await refused(join(folder, "numbered"), images, "label: row 0", "got 7");
  });
});

describe("a module", () => {
  const source = (value: string) => `
    const contract = { fields: [
      { name: "x", shape: [2], dtype: "f32", stored: "f32", scale: 1 },
      { name: "y", shape: [1], dtype: "f32", stored: "u8", scale: 0.5 } ] };
    const dataset = { contract, size: 1, columns: [Float32Array.of(1, 2), Uint8Array.of(3)] };
    export default ${value};`;

  test.each([
    "dataset",
    "() => dataset",
    "async () => dataset",
    `{ name: "mine", load: async () => ({ train: dataset, test: dataset }) }`,
  ])("may export %s", async (value) => {
    const { size, columns } = await loadPath(await put("data.mjs", source(value)), table);
    expect([size, columns]).toEqual([1, [Float32Array.of(1, 2), Uint8Array.of(3)]]);
  });

  test.each([
    ["{ ...dataset, size: 2 }", /x: expected 4 numbers for 2 examples/],
    ["{ ...dataset, columns: [Float32Array.of(1, NaN), Uint8Array.of(3)] }", /x: row 0 .* got NaN/],
    ["42", /expected a default export that is a Dataset .* got number/],
    ["() => { throw new Error('no disk') }", /its default export failed \(no disk\)/],
    ["nothing", /cannot be imported \(nothing is not defined\)/],
  ])("exporting %s is refused", async (value, message) => {
    await refused(await put("data.mjs", source(value)), table, message);
  });
});

test("paths that do not exist and folders that hold no data are refused, links are followed", async () => {
  await refused(join(folder, "nowhere"), table, "cannot be read", "check the path");
  await refused(folder, table, "got a folder with nothing in it");
  await put("notes.txt", "hello");
  await refused(folder, table, "got a folder with notes.txt");
  const real = await put("real/data.csv", "1,2,3\n");
  await symlink(real, join(folder, "link.csv"));
  expect((await loadPath(join(folder, "link.csv"), table)).size).toBe(1);
});
