/** Codecs joined encode each vector as if it were alone. */
import { describe, expect, test } from "vitest";
import {
  CodecError,
  createManifest,
  decodeVector,
  encodedRange,
  encodeVector,
  joinCodecs,
  openCodec,
  parseCodecSpec,
} from "../src/index.ts";

const shapes = [[70_000], [3, 5], [64, 40]] as const;
const manifests = shapes.map((shape, i) => createManifest([{ name: `p${i}`, shape }]));
const vectors = manifests.map(({ size }, i) => Float32Array.from({ length: size }, (_, j) => Math.sin(i + 0.7 * j)));
const joinedVector = Float32Array.from(vectors.flatMap((vector) => [...vector]));

describe.each(["f32", "int8", "int4", { kind: "lowRank", rank: 2 } as const])("%o", (kind) => {
  const codecs = manifests.map((manifest) => openCodec(parseCodecSpec(kind), manifest));
  const joined = joinCodecs(codecs);

  test("joined gives the bytes of each, one after the other, and decodes as each", () => {
    const { bytes, memory } = encodeVector(joined, joinedVector, { seed: 3 });
    const alone = codecs.map((codec, i) => encodeVector(codec, vectors[i]!, { seed: 3 }));
    expect(Buffer.compare(bytes, Buffer.concat(alone.map((each) => each.bytes)))).toBe(0);
    expect(memory.basis?.length ?? 0).toBe(alone.reduce((sum, each) => sum + (each.memory.basis?.length ?? 0), 0));
    const decoded = new Float32Array(joined.size);
    decodeVector(joined, bytes, decoded);
    const expected = alone.flatMap((each, i) => {
      const values = new Float32Array(vectors[i]!.length);
      decodeVector(codecs[i]!, each.bytes, values);
      return [...values];
    });
    expect(decoded).toEqual(Float32Array.from(expected));
  });

  test("says where each lies encoded", () => {
    const range = encodedRange(joined, { start: 70_000, end: 70_015 });
    expect(range).toEqual({
      from: codecs[0]!.encodedBytes,
      to: codecs[0]!.encodedBytes + codecs[1]!.encodedBytes,
    });
    expect(() => encodedRange(joined, { start: 70_001, end: 70_015 })).toThrow(CodecError);
  });
});

test("codecs of different kinds, and none at all, are refused", () => {
  const [first] = manifests;
  expect(() => joinCodecs([])).toThrow(CodecError);
  expect(() => joinCodecs([openCodec({ kind: "f32" }, first!), openCodec({ kind: "f16" }, first!)])).toThrow(
    /one kind expected to join, got f32 and f16/,
  );
});
