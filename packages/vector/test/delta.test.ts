import { applyDelta, createManifest, DeltaError, encodeDelta, encodeVector, openCodec } from "@weft/vector";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { deltasBy } from "../src/codec/delta.ts";
import { anyFloats } from "./bits.ts";

const publishing = ["f32", "f16", "bf16", "int8", "int4"] as const;

const codecFor = (kind: (typeof publishing)[number], size: number) =>
  openCodec({ kind }, createManifest([{ name: "x", shape: [size] }]));

const bytesOf = (parts: Iterable<Uint8Array>) => new Uint8Array(Buffer.concat([...parts]));
const deltaOf = (...args: Parameters<typeof encodeDelta>) => bytesOf(encodeDelta(...args));

function applied(codec: Parameters<typeof applyDelta>[0], from: Uint8Array, delta: Uint8Array): Uint8Array {
  const to = new Uint8Array(codec.encodedBytes);
  Array.from(applyDelta(codec, delta, { from, to }));
  return to;
}

describe.each(publishing)("a delta of %s", (kind) => {
  it("leads from any bytes to any others", () => {
    fc.assert(
      fc.property(anyFloats(300), fc.infiniteStream(fc.nat({ max: 255 })), (values, stream) => {
        const codec = codecFor(kind, values.length);
        const bytes = () => Uint8Array.from({ length: codec.encodedBytes }, () => stream.next().value as number);
        const [from, to] = [bytes(), bytes()];
        expect(applied(codec, from, deltaOf(codec, from, to))).toEqual(to);
        expect(applied(codec, to, deltaOf(codec, to, to))).toEqual(to);
      }),
    );
  });

  it("has the same bytes by kernels and plain loops, and leads to the same ones or the same error", () => {
    const plain = deltasBy(() => undefined);
    const stream = fc.infiniteStream(fc.nat({ max: 255 }));
    fc.assert(
      fc.property(
        fc.nat(700),
        fc.constantFrom(0, 1, 2, 6, 12, 20, 27, 28, 29, 30, 31, 32),
        stream,
        (size, bits, random) => {
          const codec = codecFor(kind, size);
          const byte = () => random.next().value as number;
          const from = Uint8Array.from({ length: codec.encodedBytes }, byte);
          // Differences of so many bits of every four bytes.
          const to = from.map((old, i) => old ^ (byte() & ((2 ** Math.max(0, bits - 8 * (i % 4)) - 1) & 255)));
          const delta = deltaOf(codec, from, to);
          expect(delta).toEqual(bytesOf(plain.encodeDelta(codec, from, to)));
          expect(applied(codec, from, delta)).toEqual(to);
          const hostile = delta.map((own, i) => (i % 37 === byte() % 37 ? byte() & 63 : own)).subarray(0, byte() + 1);
          const led = [applyDelta, plain.applyDelta].map((apply) => {
            const out = new Uint8Array(codec.encodedBytes);
            try {
              Array.from(apply(codec, hostile, { from, to: out }));
            } catch (error) {
              return String(error);
            }
            return out;
          });
          expect(led[0]).toEqual(led[1]);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("of versions near each other takes much less than a version", () => {
    const codec = codecFor(kind, 20_000);
    const values = Float32Array.from({ length: 20_000 }, (_, i) => Math.sin(i * 12.34) / 10);
    const next = values.map((value, i) => value + 1e-4 * Math.cos(i * 7.1));
    const [from, to] = [values, next].map((vector) => encodeVector(codec, vector, { seed: 0 }).bytes) as [
      Uint8Array,
      Uint8Array,
    ];
    const share = { f32: 0.85, f16: 0.7, bf16: 0.45, int8: 0.4, int4: 0.5 }[kind];
    expect(deltaOf(codec, from, to).length).toBeLessThan(share * codec.encodedBytes);
  });

  it("of other bytes is refused by name, or leads somewhere", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (delta) => {
        const codec = codecFor(kind, 64);
        try {
          applied(codec, new Uint8Array(codec.encodedBytes), delta);
        } catch (error) {
          expect(error).toBeInstanceOf(DeltaError);
        }
      }),
    );
    const codec = codecFor(kind, 64);
    const whole = new Uint8Array(codec.encodedBytes).fill(7);
    const delta = deltaOf(codec, new Uint8Array(codec.encodedBytes), whole);
    expect(() => applied(codec, whole, delta.subarray(0, -1))).toThrow(DeltaError);
    expect(() => applied(codec, whole, Uint8Array.from([...delta, 0]))).toThrow(DeltaError);
    expect(() => applied(codec, whole.subarray(1), delta)).toThrow(DeltaError);
  });
});

test("a segment of more than the kernels take at a time has the bytes of the plain loops, at its widest too", () => {
  const codec = codecFor("f32", 65_536 + 40_007);
  let state = 1;
  const bytes = () =>
    Uint8Array.from({ length: codec.encodedBytes }, () => (state = Math.imul(state, 69069) + 12345) >>> 24);
  const [from, to] = [bytes(), bytes()];
  const delta = deltaOf(codec, from, to);
  expect(Buffer.compare(delta, bytesOf(deltasBy(() => undefined).encodeDelta(codec, from, to)))).toBe(0);
  expect(Buffer.compare(applied(codec, from, delta), to)).toBe(0);
});

test("codecs that cannot carry weights have no deltas", () => {
  const codec = openCodec({ kind: "sign" }, createManifest([{ name: "x", shape: [8] }]));
  const bytes = new Uint8Array(codec.encodedBytes);
  expect(() => deltaOf(codec, bytes, bytes)).toThrow(DeltaError);
});
