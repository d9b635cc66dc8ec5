/** Bytes of every codec and delta, as their first release wrote them: workers and coordinators of different builds meet. */
import {
  applyDelta,
  type CodecMemory,
  type CodecSpec,
  codecText,
  createManifest,
  decodeVector,
  encodeDelta,
  encodeVector,
  openCodec,
} from "@weft/vector";
import { expect, test } from "vitest";
import { bitsOf } from "./bits.ts";

const manifest = createManifest([
  { name: "kernel", shape: [301, 256] },
  { name: "bias", shape: [777] },
]);

/** Values of several magnitudes, with zeros of both signs, the same on every engine. */
function drawn(seed: number): Float32Array {
  let state = seed;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
  return Float32Array.from({ length: manifest.size }, () => {
    const value = (next() - 2 ** 31) * 2 ** -(31 + (next() >>> 29));
    return next() >>> 28 === 0 ? value * 0 : value;
  });
}

function hash(words: Iterable<number>, start = 0x811c9dc5): number {
  let state = start;
  for (const word of words) state = Math.imul(state ^ word, 0x01000193) >>> 0;
  return state;
}

/** Of the bytes of three updates that follow one another, what they decode to, and what is owed after them. */
function updates(spec: CodecSpec): number {
  const codec = openCodec(spec, manifest);
  let memory: CodecMemory = {};
  let state = hash([]);
  for (const seed of [1, 2, 3]) {
    const encoded = encodeVector(codec, drawn(seed), { seed, memory });
    const decoded = new Float32Array(codec.size);
    decodeVector(codec, encoded.bytes, decoded);
    state = hash(bitsOf(decoded), hash(encoded.bytes, state));
    ({ memory } = encoded);
  }
  return hash(bitsOf(memory.residual ?? new Float32Array(0)), state);
}

function deltas(spec: CodecSpec): number {
  const codec = openCodec(spec, manifest);
  const values = drawn(5);
  const next = drawn(6).map((value, i) => values[i]! + value / 256);
  const [from, to] = [values, next].map((vector) => encodeVector(codec, vector, { seed: 0 }).bytes);
  const delta = Uint8Array.from([...encodeDelta(codec, from!, to!)].flatMap((part) => [...part]));
  const led = new Uint8Array(codec.encodedBytes);
  Array.from(applyDelta(codec, delta, { from: from!, to: led }));
  expect(Buffer.compare(led, to!)).toBe(0);
  return hash(delta);
}

const plain = (kind: "f32" | "f16" | "bf16" | "int8" | "int4" | "int2" | "sign"): CodecSpec => ({ kind });

test.each([
  [plain("f32"), 0x7492bb1a],
  [plain("f16"), 0x79364ad4],
  [plain("bf16"), 0x1fd2f513],
  [plain("int8"), 0x99050ef3],
  [plain("int4"), 0x68e9b4ab],
  [plain("int2"), 0xb6ebc536],
  [plain("sign"), 0x003fa796],
  [{ kind: "topK", fraction: 0.03 }, 0x17cb096d],
  [{ kind: "randomK", fraction: 0.03 }, 0xb8b69800],
  [{ kind: "lowRank", rank: 3 }, 0x1dcae394],
] as [CodecSpec, number][])("updates in %o are written and read as ever", (spec, expected) => {
  expect([codecText(spec), updates(spec).toString(16)]).toEqual([codecText(spec), expected.toString(16)]);
});

test.each([
  [plain("f32"), 0x57b03e3d],
  [plain("f16"), 0x256b865c],
  [plain("bf16"), 0x67b05fd8],
  [plain("int8"), 0x3ef018e4],
  [plain("int4"), 0x46c4a871],
] as [CodecSpec, number][])("deltas of %o are written as ever", (spec, expected) => {
  expect([codecText(spec), deltas(spec).toString(16)]).toEqual([codecText(spec), expected.toString(16)]);
});
