/** Sources made from a user's files: what they infer, how they divide, what they refuse. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { encode as encodePng } from "fast-png";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DataFileError, checkContract, csv, fashionMnist, idx, imageFolder } from "@weft/data";

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

describe("csv", () => {
  const irises = ["5.1,3.5,setosa", "7.0,3.2,versicolor", "6.3,3.3,virginica", "4.9,3.0,setosa", "6.4,3.2,versicolor"];

  test("takes text in the last column for classes, in sorted order", async () => {
    const source = csv(await put("iris.csv", irises.join("\n")), { test: 0.2, seed: 3 });
    const { train, test: held } = await source.load();
    expect(source.name).toBe("iris.csv");
    expect([train.size, held.size]).toEqual([4, 1]);
    expect(train.contract.fields).toMatchObject([
      { name: "features", shape: [2], dtype: "f32" },
      { name: "label", shape: [], dtype: "i32", range: [0, 2] },
    ]);
    for (const part of [train, held]) checkContract(part, train.contract);
    const rows = [train, held].flatMap(({ columns: [features, labels] }) =>
      Array.from(labels!, (label, i) => `${features![2 * i]!.toFixed(1)} ${label}`),
    );
    expect(rows.sort()).toEqual(["4.9 0", "5.1 0", "6.3 2", "6.4 1", "7.0 1"]);
  });

  test("takes a target by name or place, as a number or as classes", async () => {
    const path = await put("houses.csv", `rooms,price,area\n${"3,100.5,70\n4,150,90\n2,80,40\n".repeat(4)}`);
    const { train } = await csv(path, { target: "price" }).load();
    expect(train.contract.fields[1]).toMatchObject({ name: "price", shape: [1], dtype: "f32" });
    expect([...train.columns[0]!.subarray(0, 2)]).toEqual([3, 70]);
    const rooms = await csv(path, { target: 0, classes: true }).load();
    expect(rooms.train.contract.fields[1]).toMatchObject({ name: "label", range: [0, 2] });
    const spaced = await csv(path, { target: "rooms" }).load(); // 2, 3, 4 do not count from 0
    expect(spaced.train.contract.fields[1]).toMatchObject({ name: "rooms", dtype: "f32" });
    const counted = await csv(await put("counted.csv", "1.5,1\n2.5,0\n3.5,2\n"), { test: 0.4 }).load();
    expect(counted.train.contract.fields[1]).toMatchObject({ name: "label", range: [0, 2] });
  });

  test("tests with another file, by the classes of the first", async () => {
    const path = await put("train.csv.gz", gzipSync(irises.join("\n")));
    const { train, test: held } = await csv(path, { test: await put("test.csv", "6.0,3.0,virginica\n") }).load();
    expect(train.size).toBe(5);
    expect([...held.columns[1]!]).toEqual([2]);
    const unknown = csv(path, { test: await put("other.csv", "6.0,3.0,rosa\n") });
    await expect(unknown.load()).rejects.toThrow(
      /other.csv, line 1, column 3: expected one of the classes setosa.*got "rosa"/,
    );
  });

  test("names what it cannot read", async () => {
    const cases: [string, RegExp, Parameters<typeof csv>[1]?][] = [
      ["a,b,c\n1,x,0\n2,3,1\n", /line 2, column 2: expected a number, got "x"/],
      ["1,2\n1,2,3\n", /line 2: expected 2 columns, got 3/],
      ["1\n2\n", /at least two columns, got 1/],
      ["a,b\n1,2\n", /expected a column price, got a, b/, { target: "price" }],
    ];
    for (const [i, [text, message, options]] of cases.entries()) {
      const error: unknown = await csv(await put(`${i}.csv`, text), options)
        .load()
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(DataFileError);
      expect((error as Error).message).toMatch(message);
    }
    await expect(csv(join(folder, "none.csv")).load()).rejects.toThrow(/none.csv: cannot be read/);
  });
});

describe("idx", () => {
  const array = (shape: readonly number[], bytes: readonly number[]) => {
    const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
    header.setUint32(0, 0x0800 + shape.length);
    shape.forEach((n, axis) => header.setUint32(4 + 4 * axis, n));
    return Uint8Array.from([...new Uint8Array(header.buffer), ...bytes]);
  };
  const images = (count: number) =>
    array(
      [count, 2, 3],
      Array.from({ length: count * 6 }, (_, i) => i % 256),
    );
  const labels = (count: number) =>
    array(
      [count],
      Array.from({ length: count }, (_, i) => i % 4),
    );

  test("reads a set for training and another for testing", async () => {
    await put("set/train-images-idx3-ubyte.gz", gzipSync(images(8)));
    await put("set/train-labels-idx1-ubyte.gz", gzipSync(labels(8)));
    await put("set/t10k-images-idx3-ubyte.gz", gzipSync(images(4)));
    await put("set/t10k-labels-idx1-ubyte.gz", gzipSync(labels(4)));
    const { train, test: held } = await idx(join(folder, "set")).load();
    expect([train.size, held.size]).toEqual([8, 4]);
    expect(train.contract.fields).toMatchObject([
      { name: "image", shape: [2, 3, 1], scale: 1 / 255, range: [0, 1] },
      { name: "label", range: [0, 3] },
    ]);
    checkContract(held, train.contract);
    expect((await fashionMnist(join(folder, "set")).load()).train).toEqual(train);
  });

  test("divides a single set, and says what it found otherwise", async () => {
    await put("one/images-idx3-ubyte", images(10));
    await expect(idx(join(folder, "one")).load()).rejects.toThrow(/expected two IDX files.*got images-idx3-ubyte/);
    await put("one/labels-idx1-ubyte", labels(10));
    const { train, test: held } = await idx(join(folder, "one"), { test: 0.3 }).load();
    expect([train.size, held.size]).toEqual([7, 3]);
    await expect(fashionMnist(join(folder, "none")).load()).rejects.toThrow(
      /dataset-fashion-mnist, or give the folder/,
    );
  });
});

describe("imageFolder", () => {
  const png = (level: number, channels: 1 | 3 = 1) =>
    encodePng({ width: 3, height: 2, channels, data: new Uint8Array(6 * channels).fill(level) });

  test("takes size and channels from the first image, classes from the subfolders", async () => {
    for (const [i, name] of ["cat", "dog", "cow"].entries()) {
      for (let n = 0; n < 4; n++) await put(`animals/${name}/${n}.png`, png(10 * i + n, 3));
    }
    const { train, test: held } = await imageFolder(join(folder, "animals"), { test: 0.25 }).load();
    expect([train.size, held.size]).toEqual([9, 3]);
    expect(train.contract.fields).toMatchObject([
      { shape: [2, 3, 3], range: [0, 1] },
      { name: "label", range: [0, 2] },
    ]);
    // Sorted: cat 0, cow 1, dog 2.
    const levels = [...train.columns[0]!.filter((_, i) => i % 18 === 0)].map(
      (level) => [0, 2, 1][Math.floor(level / 10)],
    );
    expect(levels).toEqual([...train.columns[1]!]);
    const grey = await imageFolder(join(folder, "animals"), { channels: 1 }).load();
    expect(grey.train.contract.fields[0]?.shape).toEqual([2, 3, 1]);
  });

  test("takes subfolders train and test for the two parts", async () => {
    for (const part of ["train", "test"])
      for (const label of [0, 3]) await put(`set/${part}/${label}/a.png`, png(label));
    const { train, test: held } = await imageFolder(join(folder, "set")).load();
    expect([train.size, held.size]).toEqual([2, 2]);
    expect([...held.columns[1]!]).toEqual([0, 3]);
    expect(train.contract.fields[1]?.range).toEqual([0, 3]);
  });

  test("says when there are no images", async () => {
    await put("empty/notes.txt", "none");
    await expect(imageFolder(join(folder, "empty")).load()).rejects.toThrow(
      /one subfolder of PNG or JPEG images per class/,
    );
    await expect(imageFolder(join(folder, "none")).load()).rejects.toThrow(/cannot be read/);
  });
});
