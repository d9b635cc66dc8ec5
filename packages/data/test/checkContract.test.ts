import { expect, test } from "vitest";
import type { DataContract, Dataset, FieldContract } from "@weft/data";
import { ContractError, checkContract } from "@weft/data";

const image: FieldContract = { name: "image", shape: [2], dtype: "f32", stored: "u8", scale: 1 / 255, range: [0, 1] };
const label: FieldContract = { name: "label", shape: [], dtype: "i32", stored: "u8", scale: 1, range: [0, 2] };
const contract: DataContract = { fields: [image, label] };

const make = (fields: FieldContract[], ...columns: Dataset["columns"]): Dataset => ({
  contract: { fields },
  size: 2,
  columns,
});
const pixels = Uint8Array.of(0, 255, 128, 64);

test("a dataset that keeps the contract passes, stored in its own way or not", () => {
  checkContract(make([image, label], pixels, Uint8Array.of(0, 2)), contract);
  const stored: FieldContract = { ...image, stored: "f32", scale: 1 };
  checkContract(make([stored, label], Float32Array.of(0, 1, 0.5, 0.25), Uint8Array.of(0, 2)), contract);
});

test.each([
  ["a missing field", make([image], pixels), /expected 2 fields .*label i32\[\]\), got 1/],
  [
    "another name",
    make([{ ...image, name: "x" }, label], pixels, Uint8Array.of(0, 1)),
    /expected field image f32\[2\], got x/,
  ],
  [
    "another shape",
    make([{ ...image, shape: [2, 1] }, label], pixels, Uint8Array.of(0, 1)),
    /shape \[2\], got \[2,1\]/,
  ],
  [
    "another dtype",
    make([image, { ...label, dtype: "f32" }], pixels, Uint8Array.of(0, 1)),
    /label: expected i32, got f32/,
  ],
  [
    "a missing example",
    make([image, label], pixels.slice(2), Uint8Array.of(0, 1)),
    /image: expected 4 numbers for 2 examples/,
  ],
  [
    "another array type",
    make([image, label], Float32Array.from(pixels), Uint8Array.of(0, 1)),
    /stored as u8, got a Float32Array/,
  ],
  ["a missing column", make([image, label], pixels), /label: the dataset has no column/],
  [
    "an unknown class",
    make([image, label], pixels, Uint8Array.of(0, 3)),
    /label: row 1 expected a whole number from 0 to 2, got 3; the job knows 3 classes/,
  ],
  [
    "a value out of range",
    make([{ ...image, scale: 1 / 100 }, label], pixels, Uint8Array.of(0, 1)),
    /image: row 0 expected a finite number from 0 to 1, got 2.55/,
  ],
  [
    "NaN",
    make([{ ...image, stored: "f32", scale: 1 }, label], Float32Array.of(0, 0, NaN, 0), Uint8Array.of(0, 1)),
    /image: row 1 .* got NaN/,
  ],
  [
    "half a class",
    make([image, { ...label, scale: 0.5 }], pixels, Uint8Array.of(0, 1)),
    /label: row 1 expected a whole number/,
  ],
])("%s is refused by name, with what was expected and got", (_, dataset, message) => {
  expect(() => checkContract(dataset, contract)).toThrow(message);
  expect(() => checkContract(dataset, contract)).toThrow(ContractError);
});
