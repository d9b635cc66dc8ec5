import fc from "fast-check";
import { expect, test } from "vitest";
import type { DataContract, Dataset } from "@weft/data";
import { ContractError, DataRangeError, assembleBatch, datasetFromRows, selectDataset, selectRows } from "@weft/data";

const contract: DataContract = {
  fields: [
    { name: "image", shape: [2], dtype: "f32", stored: "u8", scale: 1 / 255, range: [0, 1] },
    { name: "weight", shape: [], dtype: "f32", stored: "f32", scale: 2 },
    { name: "label", shape: [], dtype: "i32", stored: "i32", scale: 1, range: [0, 9] },
  ],
};
const dataset: Dataset = {
  contract,
  size: 3,
  columns: [Uint8Array.of(0, 255, 51, 102, 255, 0), Float32Array.of(0.5, -1, 1.5), Int32Array.of(7, 8, 9)],
};

test("a batch gathers rows, scales them, and fills up with rows of weight 0", () => {
  const { fields, weights } = assembleBatch(dataset, [2, 0], 3);
  expect(fields[0]).toEqual(Float32Array.of(1, 0, 0, 1, 0, 0));
  expect(fields[1]).toEqual(Float32Array.of(3, 1, 0));
  expect(fields[2]).toEqual(Int32Array.of(9, 7, 0));
  expect(weights).toEqual(Float32Array.of(1, 1, 0));
});

test("a reused batch keeps its memory and nothing of its old values", () => {
  const first = assembleBatch(dataset, [0, 1, 2], 3);
  const memory = first.fields.map(({ buffer }) => buffer);
  const second = assembleBatch(dataset, Uint32Array.of(1), 3, { reuse: first });
  expect(second.fields.map(({ buffer }) => buffer)).toEqual(memory);
  expect(second).toEqual(assembleBatch(dataset, [1], 3));
  expect(() => assembleBatch(dataset, [1], 2, { reuse: first })).toThrow(DataRangeError);
});

test("too many indices and indices outside the dataset are refused", () => {
  expect(() => assembleBatch(dataset, [0, 1], 1)).toThrow(/a batch of 1 cannot hold 2 examples/);
  expect(() => assembleBatch(dataset, [3], 1)).toThrow(/example 3 is outside a dataset of 3; expected 0..2/);
  expect(() => selectRows(dataset, [-1])).toThrow(DataRangeError);
});

test("rows taken out and put together again are the same examples", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2)), (indices) => {
      const copy = datasetFromRows(contract, indices.length, selectRows(dataset, indices));
      expect(copy).toEqual(selectDataset(dataset, indices));
      const all = indices.map((_, i) => i);
      expect(assembleBatch(copy, all, 8 + all.length)).toEqual(assembleBatch(dataset, indices, 8 + all.length));
    }),
  );
});

test("rows that came unaligned or cut short are copied or refused", () => {
  const rows = selectRows(dataset, [0, 1, 2]);
  const unaligned = rows.map((bytes) => {
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    return shifted.subarray(1);
  });
  expect(datasetFromRows(contract, 3, unaligned)).toEqual(dataset);
  expect(() => datasetFromRows(contract, 4, rows)).toThrow(/image: expected 8 bytes for 4 rows, got 6/);
  expect(() => datasetFromRows(contract, 3, rows.slice(1))).toThrow(ContractError);
});
