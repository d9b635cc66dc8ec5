import { readFileSync } from "node:fs";
import {
  decodeSafetensors,
  encodeSafetensors,
  SafetensorsError,
  safetensorsParts,
  type SafeTensor,
} from "@weft/vector";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyFloats, bitsOf } from "./bits.ts";

/**
 * Initial weights of the trace `mlp_adam` of this project's reference values, written from Python beside PyTorch traces
 * (`engine/train.mlp_adam.init.safetensors`).
 */
const golden = new Uint8Array(readFileSync(new URL("./mlpAdamInit.safetensors", import.meta.url)));

const ascii = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** A file with this header text, or these header bytes, as they stand. */
function file(header: string | Uint8Array, dataBytes = 0): Uint8Array {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 8);
  return bytes;
}

const entry = (begin: number, end: number, shape = `[${(end - begin) / 4}]`) =>
  `{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}`;

const elementsOf = (shape: readonly number[]) => shape.reduce((product, extent) => product * extent, 1);

const tensor: fc.Arbitrary<SafeTensor> = fc
  .record({
    name: fc.string({ unit: "grapheme", maxLength: 12 }),
    shape: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }),
    dtype: fc.constantFrom("F32", "F64", "I32", "U32", "U8", "BOOL", "F16", "BF16", "I16", "U16", "I8", "I64", "U64"),
    seed: fc.infiniteStream(fc.nat({ max: 1 })),
  })
  .map(({ name, shape, dtype, seed }): SafeTensor => {
    const values = Array.from({ length: elementsOf(shape) }, () => Number(seed.next().value));
    const head = { name, shape };
    switch (dtype) {
      case "F32":
        return { ...head, dtype, data: Float32Array.from(values, (x) => x / 3) };
      case "F64":
        return { ...head, dtype, data: Float64Array.from(values, (x) => x / 3) };
      case "I32":
        return { ...head, dtype, data: Int32Array.from(values, (x) => -x) };
      case "U32":
        return { ...head, dtype, data: Uint32Array.from(values, (x) => x - 1) };
      case "U8":
      case "BOOL":
        return { ...head, dtype, data: Uint8Array.from(values) };
      case "F16":
      case "BF16":
      case "U16":
        return { ...head, dtype, data: Uint16Array.from(values, (x) => x - 1) };
      case "I16":
        return { ...head, dtype, data: Int16Array.from(values, (x) => -x) };
      case "I8":
        return { ...head, dtype, data: Int8Array.from(values, (x) => -x) };
      case "I64":
        return { ...head, dtype, data: BigInt64Array.from(values, (x) => BigInt(-x)) };
      case "U64":
        return { ...head, dtype, data: BigUint64Array.from(values, (x) => BigInt(x)) };
    }
  });

const tensors = fc.uniqueArray(tensor, {
  selector: ({ name }) => name,
  maxLength: 6,
});
const metadata = fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), { maxKeys: 4 });

test("a file written by another program is read to the value", () => {
  const { tensors: read, metadata: about } = decodeSafetensors(golden);
  expect(about).toEqual({ format: "golden", trace: "mlp_adam" });
  expect([...read.values()].map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
    ["dense1.kernel", "F32", [20, 32]],
    ["dense1.bias", "F32", [32]],
    ["dense2.kernel", "F32", [32, 16]],
    ["dense2.bias", "F32", [16]],
    ["dense3.kernel", "F32", [16, 4]],
    ["dense3.bias", "F32", [4]],
  ]);
  const first = new DataView(golden.buffer).getFloat32(8 + 488, true);
  expect(read.get("dense1.kernel")?.data[0]).toBe(first);
  expect(Math.abs(first)).toBeLessThan(1);
});

test("reading that file and writing it again gives the same bytes", () => {
  const { tensors: read, metadata: about } = decodeSafetensors(golden);
  expect(encodeSafetensors([...read.values()], about)).toEqual(golden);
});

test("any tensors and metadata come back as they were, from any address", () => {
  fc.assert(
    fc.property(tensors, metadata, fc.nat({ max: 7 }), (written, about, shift) => {
      const bytes = encodeSafetensors(written, about);
      const shifted = new Uint8Array(bytes.length + shift).subarray(shift);
      shifted.set(bytes);
      const read = decodeSafetensors(shifted);
      expect(read.metadata).toEqual(about);
      expect(read.tensors.size).toBe(written.length);
      for (const one of written) expect(read.tensors.get(one.name)).toEqual(one);
    }),
  );
});

test("aligned tensors are views of the file, others copies", () => {
  const bytes = encodeSafetensors([{ name: "x", dtype: "F32", shape: [2], data: Float32Array.of(1, 2) }]);
  expect(decodeSafetensors(bytes).tensors.get("x")?.data.buffer).toBe(bytes.buffer);
  const shifted = Buffer.concat([Uint8Array.of(0), bytes]).subarray(1);
  const odd = shifted.byteOffset % 4 === 0 ? Buffer.concat([shifted, Uint8Array.of(0)]).subarray(0, -1) : shifted;
  expect(decodeSafetensors(odd).tensors.get("x")?.data).toEqual(Float32Array.of(1, 2));
});

test("the parts are the tensors' own memory, wide elements first, and make up the file", () => {
  const flags = { name: "flags", dtype: "BOOL", shape: [3], data: Uint8Array.of(1, 0, 1) } as const;
  const weights = { name: "weights", dtype: "F32", shape: [2], data: Float32Array.of(0.5, -0.5) } as const;
  const { header, parts, byteLength } = safetensorsParts([flags, weights], { step: "3" });
  expect(parts[0]?.buffer).toBe(weights.data.buffer);
  expect(parts[1]?.buffer).toBe(flags.data.buffer);
  expect(header.length % 8).toBe(0);
  const whole = Buffer.concat([header, ...parts]);
  expect(whole.length).toBe(byteLength);
  expect(new Uint8Array(whole)).toEqual(encodeSafetensors([flags, weights], { step: "3" }));
});

test("values survive bit for bit, NaN payloads included", () => {
  fc.assert(
    fc.property(anyFloats(20), (data) => {
      const bytes = encodeSafetensors([{ name: "x", dtype: "F32", shape: [data.length], data: data.slice() }]);
      expect(bitsOf(decodeSafetensors(bytes).tensors.get("x")?.data as Float32Array)).toEqual(bitsOf(data));
    }),
  );
});

test("names outside ASCII are written as escapes and read as escapes or as UTF-8", () => {
  const name = "größe ☃ 🧵 \u007f\u0000";
  const bytes = encodeSafetensors([{ name, dtype: "U8", shape: [], data: Uint8Array.of(1) }]);
  expect(bytes.subarray(8, -1).every((byte) => byte < 0x80)).toBe(true);
  expect([...decodeSafetensors(bytes).tensors.keys()]).toEqual([name]);
  const utf8 = file(`{"größe ☃ 🧵":${entry(0, 0)}}`);
  expect([...decodeSafetensors(utf8).tensors.keys()]).toEqual(["größe ☃ 🧵"]);
});

test("a tensor named __proto__ is a tensor like any other", () => {
  const { tensors: read } = decodeSafetensors(file(`{"__proto__":${entry(0, 4)}}`, 4));
  expect([...read.keys()]).toEqual(["__proto__"]);
  expect(Object.getPrototypeOf({})).toBe(Object.prototype);
});

test("a file without tensors, and tensors without elements, are valid", () => {
  expect(decodeSafetensors(encodeSafetensors([])).tensors.size).toBe(0);
  const empty = file(`{"b":${entry(4, 4)},"a":${entry(0, 4)},"c":${entry(0, 0, "[0,7]")}}`, 4);
  expect(decodeSafetensors(empty).tensors.get("c")?.shape).toEqual([0, 7]);
});

describe("a malformed file is refused with the named error", () => {
  const cases: Readonly<Record<string, Uint8Array>> = {
    "no bytes": new Uint8Array(0),
    "no room for the length": new Uint8Array(7),
    "a header past the end": file("{}").subarray(0, 9),
    "a header length of 2^63": Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0x80, 0x7b, 0x7d),
    "an empty header": file(""),
    "an array for a header": file("[]"),
    "a header that starts with a space": file(" {}"),
    "JSON that breaks off": file('{"a":'),
    "trailing JSON": file("{}{}"),
    "trailing bytes": file("{}", 1),
    "missing bytes": file(`{"a":${entry(0, 8)}}`, 4),
    "a gap": file(`{"a":${entry(0, 4)},"b":${entry(8, 12)}}`, 12),
    "a gap at the start": file(`{"a":${entry(4, 8)}}`, 8),
    "an overlap": file(`{"a":${entry(0, 8)},"b":${entry(4, 12)}}`, 12),
    "two tensors on the same bytes": file(`{"a":${entry(0, 4)},"b":${entry(0, 4)}}`, 4),
    "a name twice": file(`{"a":${entry(0, 0)},"a":${entry(0, 0)}}`),
    "a name twice, once escaped": file(`{"a":${entry(0, 0)},"\\u0061" :${entry(0, 0)}}`),
    "a field twice": file('{"a":{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "metadata twice": file('{"__metadata__":{},"__metadata__":{}}'),
    "metadata that is a number": file('{"__metadata__":{"step":3}}'),
    "metadata that is a list": file('{"__metadata__":["a"]}'),
    "a lone surrogate in metadata": file('{"__metadata__":{"a":"\\ud800"}}'),
    "a shape whose product overflows before a zero": file(`{"a":${entry(0, 0, "[4294967296,4294967296,0]")}}`),
    "an unknown dtype": file('{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}', 1),
    "an inherited dtype": file('{"a":{"dtype":"toString","shape":[],"data_offsets":[0,1]}}', 1),
    "a dtype that resists conversion": file('{"a":{"dtype":{"toString":1},"shape":[],"data_offsets":[0,1]}}', 1),
    "no dtype": file('{"a":{"shape":[],"data_offsets":[0,1]}}', 1),
    "a negative extent": file(`{"a":${entry(0, 4, "[-1]")}}`, 4),
    "two negative extents": file(`{"a":${entry(0, 4, "[-1,-1]")}}`, 4),
    "a fractional extent": file(`{"a":${entry(0, 4, "[0.5,2]")}}`, 4),
    "an extent of minus zero": file(`{"a":${entry(0, 0, "[-0]")}}`),
    "an extent that is text": file(`{"a":${entry(0, 4, '["1"]')}}`, 4),
    "a shape whose product overflows": file(`{"a":${entry(0, 0, "[4294967296,4294967296,4294967296]")}}`),
    "a shape that does not fit its bytes": file(`{"a":${entry(0, 8, "[1]")}}`, 8),
    "offsets in reverse": file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}', 1),
    "three offsets": file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}', 1),
    "offsets beyond exact integers": file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[1e17,1e17]}}', 1),
    "a tensor that is null": file('{"a":null}'),
    "a lone surrogate in a name": file(`{"\\ud800":${entry(0, 0)}}`),
    "deep nesting": file(`{"a":${"[".repeat(200_000)}`),
    "a lone continuation byte": file(Uint8Array.of(0x7b, 0x80, 0x7d)),
    "an overlong form": file(Uint8Array.of(0x7b, 0x22, 0xe0, 0x80, 0xa2, 0x22, 0x7d)),
    "an encoded surrogate": file(Uint8Array.of(0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x7d)),
    "a point past U+10FFFF": file(Uint8Array.of(0x7b, 0x22, 0xf4, 0x90, 0x80, 0x80, 0x22, 0x7d)),
    "a sequence cut short": file(Uint8Array.of(0x7b, 0x22, 0xf0, 0x9f, 0xa7)),
  };
  test.each(Object.entries(cases))("%s", (_, bytes) => {
    expect(() => decodeSafetensors(bytes)).toThrow(SafetensorsError);
  });

  test("a header past the limit, before it is parsed", () => {
    expect(() => decodeSafetensors(golden, { headerBytes: 487 })).toThrow(/the limit is 487/);
    expect(decodeSafetensors(golden, { headerBytes: 488 }).tensors.size).toBe(6);
  });
});

test("hostile bytes never bring anything but the named error, and what is accepted writes and reads back the same", () => {
  const survives = (bytes: Uint8Array) => {
    try {
      const { tensors: read, metadata: about } = decodeSafetensors(bytes);
      const again = decodeSafetensors(encodeSafetensors([...read.values()], about));
      expect(new Map(again.tensors)).toEqual(new Map(read));
      expect(again.metadata).toEqual(about);
    } catch (error) {
      if (!(error instanceof SafetensorsError)) throw error;
    }
  };
  const small = encodeSafetensors(
    [
      { name: "a", dtype: "F32", shape: [2, 1], data: Float32Array.of(1, 2) },
      { name: "ü", dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) },
    ],
    { k: "v" },
  );
  const edit = fc.tuple(fc.nat(), fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(...ascii('{}[]",:\\0-9eu '))));
  // Bytes overwritten, inserted or cut out, with the length field put right so that the edit reaches the parser.
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.constantFrom(0, 1, 2), (edits, kind) => {
      const bytes = [...small];
      let grown = 0;
      for (const [where, value] of edits) {
        const at = kind === 0 ? where % bytes.length : 8 + (where % (small[0]! - 4));
        if (kind === 0) bytes[at] = value;
        else bytes.splice(at, kind === 1 ? 0 : 1, ...(kind === 1 ? [value] : []));
        grown += kind === 0 ? 0 : kind === 1 ? 1 : -1;
      }
      if (kind !== 0) bytes[0] = small[0]! + grown;
      survives(Uint8Array.from(bytes));
    }),
    { numRuns: 5000 },
  );
  fc.assert(fc.property(fc.json(), fc.nat({ max: 16 }), (json, data) => survives(file(json, data))));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), survives));
  for (let length = 0; length < golden.length; length += 37) {
    expect(() => decodeSafetensors(golden.subarray(0, length))).toThrow(SafetensorsError);
  }
});

test("what cannot be written is refused: taken names, lone surrogates, data of another length or type", () => {
  const data = Uint8Array.of(1);
  const one = { name: "a", dtype: "U8", shape: [1], data } as const;
  expect(() => encodeSafetensors([one, one])).toThrow(/taken or reserved/);
  expect(() => encodeSafetensors([{ ...one, name: "__metadata__" }])).toThrow(/taken or reserved/);
  expect(() => encodeSafetensors([{ ...one, name: "\ud800" }])).toThrow(SafetensorsError);
  expect(() => encodeSafetensors([{ ...one, shape: [2] }])).toThrow("shape [2] has 2 elements, got 1");
  expect(() => encodeSafetensors([{ ...one, shape: [0.5, 2] }])).toThrow(SafetensorsError);
  expect(() => encodeSafetensors([{ ...one, dtype: "F32" } as unknown as SafeTensor])).toThrow(/takes a Float32Array/);
  expect(() => encodeSafetensors([], { key: "\udfff" })).toThrow(SafetensorsError);
});
