/** Partitions as they are written, and what each makes of a dataset. */
import { xor, type Dataset } from "@weft/data";
import { expect, test } from "vitest";
import { parsePartition, partitionOf } from "../src/job/partition.ts";

const labelled: Dataset = {
  contract: {
    fields: [
      { name: "pixels", shape: [2], dtype: "f32", stored: "u8", scale: 1 },
      { name: "writer", shape: [], dtype: "i32", stored: "u8", scale: 1 },
      { name: "label", shape: [], dtype: "i32", stored: "u8", scale: 1 },
    ],
  },
  size: 60,
  columns: [
    new Uint8Array(120),
    Uint8Array.from({ length: 60 }, (_, i) => i % 6),
    Uint8Array.from({ length: 60 }, (_, i) => i % 10),
  ],
};

test("a partition is written as its kind and a number or a field", () => {
  expect(parsePartition("iid")).toEqual({ kind: "iid" });
  expect(parsePartition("shards:2")).toEqual({ kind: "shards", shardsPerWorker: 2 });
  expect(parsePartition("dirichlet:0.3")).toEqual({ kind: "dirichlet", alpha: 0.3 });
  expect(parsePartition("sizes:0.5")).toEqual({ kind: "sizes", alpha: 0.5 });
  expect(parsePartition("key:writer")).toEqual({ kind: "key", field: "writer" });
  for (const wrong of ["", "iid:2", "shards", "shards:1.5", "dirichlet:0", "dirichlet:x", "key:", "other:1"]) {
    expect(() => parsePartition(wrong), wrong).toThrow(/expected iid, shards:2, dirichlet:0.3, sizes:0.5 or key:FIELD/);
  }
});

test("every rule gives each example to one worker", () => {
  for (const text of ["iid", "shards:2", "dirichlet:0.3", "sizes:0.5", "key:writer", "key:label"]) {
    const parts = partitionOf(parsePartition(text), labelled, { workers: 5, seed: 1 });
    expect(parts.length).toBe(5);
    const all = Array.from({ length: parts.length }, (_, part) => [...(parts.at(part) ?? [])]).flat();
    expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i));
  }
});

test("a field that is not one number an example is refused, naming those that are", () => {
  expect(() => partitionOf(parsePartition("key:pixels"), labelled, { workers: 2, seed: 0 })).toThrow(
    "the data has no field pixels of one number an example; use writer or label",
  );
});

test("xor has labels to divide by", async () => {
  const { train } = await xor().load();
  expect(partitionOf({ kind: "shards", shardsPerWorker: 1 }, train, { workers: 2, seed: 0 }).length).toBe(2);
});
