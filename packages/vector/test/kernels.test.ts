import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { bf16, bf16With } from "../src/codec/bf16.ts";
import { type BlockCodec, encodeOwing, type Owed } from "../src/codec/blockCodec.ts";
import { f16, f16With } from "../src/codec/f16.ts";
import { int4Shape, int8Shape } from "../src/codec/groupShape.ts";
import { int2, int2With } from "../src/codec/int2.ts";
import { int4, int8, integerCodec } from "../src/codec/integers.ts";
import { sign, signWith } from "../src/codec/sign.ts";
import { randomK, randomKWith, topK, topKWith } from "../src/codec/sparse.ts";
import { createRoom, kernels, kernelsFor } from "../src/kernels/kernels.ts";
import { anyFloats, bitsOf, finiteFloat } from "./bits.ts";

const none = () => undefined;

const pairs: readonly [string, BlockCodec, BlockCodec][] = [
  ["int8", int8, integerCodec("int8", int8Shape, none)],
  ["int4", int4, integerCodec("int4", int4Shape, none)],
  ["int2", int2, int2With(none)],
  ["sign", sign, signWith(none)],
  ["topK", topK(0.1), topKWith(0.1, none)],
  ["randomK", randomK(0.1), randomKWith(0.1, none)],
  ["f16", f16, f16With(none)],
  ["bf16", bf16, bf16With(none)],
];

/** Several groups and a rest, of values of many magnitudes. */
const finite = fc
  .tuple(
    fc.array(fc.oneof(finiteFloat(), finiteFloat(1), fc.constant(0)), { minLength: 1, maxLength: 90 }),
    fc.nat(700),
  )
  .map(([values, extra]) => Float32Array.from({ length: 300 + extra }, (_, i) => values[(i * 7) % values.length]!));

function encoded(codec: BlockCodec, values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(codec.encodedBytes(values.length));
  codec.encode(values, bytes, 0);
  return bytes;
}

function decoded(codec: BlockCodec, bytes: Uint8Array, elements: number): Float32Array | string {
  const values = new Float32Array(elements);
  try {
    codec.decode(bytes, values);
  } catch (error) {
    return String(error);
  }
  return values;
}

/** The bytes, or the error. */
function outcome(codec: BlockCodec, values: Float32Array, owed: Owed): Uint8Array | string {
  const out = new Uint8Array(codec.encodedBytes(values.length));
  try {
    encodeOwing(codec, values, owed, { out, seed: 3 });
  } catch (error) {
    return String(error);
  }
  return out;
}

/** Much smaller values, some of them zeros with a sign. */
const elsewhere = (values: Float32Array) => values.map((value, i) => (i % 5 === 0 ? -0 : -value / 3));

const same = (value: Float32Array | string) =>
  typeof value === "string" ? value : bitsOf(value.map((x) => (Number.isNaN(x) ? NaN : x)));

it("there is SIMD where the tests run", () => {
  expect(kernels()).toBeDefined();
});

test("what is owed is kept in the upper half of a memory of four gigabytes as well", () => {
  const [, last] = createRoom(2 ** 28 + 2 ** 20, 2) as [Float32Array, Float32Array];
  const after = last.subarray(2 ** 28, 2 ** 28 + 700);
  expect(after.byteOffset).toBeGreaterThan(2 ** 31);
  const values = Float32Array.from({ length: 700 }, (_, i) => Math.sin(i));
  for (const [, simd, plain] of pairs) {
    const expected = new Float32Array(700);
    const bytes = outcome(plain, values, { before: values, after: expected });
    expect(outcome(simd, values, { before: values, after })).toEqual(bytes);
    expect(bitsOf(after)).toEqual(bitsOf(expected));
  }
});

describe.each(pairs)("the SIMD kernels of %s", (_, simd, plain) => {
  it("give the bytes of the plain loops", () => {
    fc.assert(
      fc.property(finite, (values) => {
        expect(encoded(simd, values)).toEqual(encoded(plain, values));
      }),
      { numRuns: 200 },
    );
  });

  it("give the values of the plain loops, or their error, for any bytes", () => {
    const stream = fc.infiniteStream(fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.integer({ min: 250, max: 900 }), stream, fc.boolean(), (elements, random, mild) => {
        const bytes = Uint8Array.from({ length: simd.encodedBytes(elements) }, (_, i) => {
          const byte = random.next().value as number;
          return mild && i % 2 === 1 ? byte & 0x3f : byte;
        });
        expect(same(decoded(simd, bytes, elements))).toEqual(same(decoded(plain, bytes, elements)));
      }),
      { numRuns: 100 },
    );
  });

  it("leave owed what the plain loops leave, the difference of values and what they decode to", () => {
    fc.assert(
      fc.property(finite, finite, fc.boolean(), (values, others, isFirst) => {
        const before = isFirst ? undefined : Float32Array.from(values, (_, i) => others[i % others.length]! / 2 ** 40);
        const after = [simd, plain].map((codec) => {
          const owed = { before, after: new Float32Array(values.length).fill(NaN) };
          const out = new Uint8Array(codec.encodedBytes(values.length));
          try {
            encodeOwing(codec, values, owed, { out, seed: 0 });
          } catch (error) {
            return String(error);
          }
          const sum = Float32Array.from(values, (value, i) => (before === undefined ? value : value + before[i]!));
          expect(out).toEqual(encoded(plain, sum));
          const back = decoded(plain, out, values.length) as Float32Array;
          expect(bitsOf(owed.after)).toEqual(bitsOf(sum.map((value, i) => value - back[i]!)));
          return bitsOf(owed.after).join();
        });
        expect(after[0]).toEqual(after[1]);
      }),
      { numRuns: 100 },
    );
  });

  it("leave the same owed where they reach it in a room, at any place of it, and nothing else there changes", () => {
    const room = createRoom(1100, 2);
    expect(kernelsFor(room[0]!)).not.toBe(kernels());
    fc.assert(
      fc.property(finite, fc.nat(40), fc.constantFrom("none", "elsewhere", "room"), (values, offset, where) => {
        const { length } = values;
        for (const all of room) all.fill(0.75);
        const [before, after] = [elsewhere(values), new Float32Array(length)];
        const own = room.map((all) => all.subarray(offset, offset + length)) as [Float32Array, Float32Array];
        own[0].set(before);
        const given = { none: undefined, elsewhere: before, room: own[0] }[where];
        const outcomes = [
          outcome(plain, values, { before: given, after }),
          outcome(simd, values, { before: given, after: own[1] }),
        ];
        expect(outcomes[1]).toEqual(outcomes[0]);
        expect(bitsOf(own[1])).toEqual(bitsOf(after));
        expect(bitsOf(own[0])).toEqual(bitsOf(before));
        own[0].fill(0.75);
        own[1].fill(0.75);
        expect(room.every((all) => all.every((value) => value === 0.75))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("give the bytes of the plain loops for magnitudes about the limits of what they sum themselves", () => {
    for (const exponent of [-60, -51, -50, -49, -43, -42, -41, -40, -39, 48, 49, 50, 51, 63, 64]) {
      const values = Float32Array.from({ length: 700 }, (_, i) => Math.sin(i * i) * 2 ** exponent);
      for (const largest of [2 ** exponent, 2 ** exponent * (1 - 2 ** -24), 0]) {
        values[17] = largest;
        values[690] = -largest;
        const [a, b] = [new Float32Array(700), new Float32Array(700)];
        expect(outcome(simd, values, { before: undefined, after: a })).toEqual(
          outcome(plain, values, { before: undefined, after: b }),
        );
        expect(bitsOf(a)).toEqual(bitsOf(b));
      }
    }
  });

  it("treat NaN, infinities and the largest floats as the plain loops do", () => {
    const largest = 3.4028234663852886e38;
    for (const odd of [NaN, -NaN, Infinity, -Infinity, largest, -largest, 1.8e38, 2 ** -149, 2 ** -126, -0]) {
      const values = new Float32Array(600).map((_, i) => Math.sin(i) * 1e-3);
      values[300] = odd;
      const result = (codec: BlockCodec) => {
        try {
          return [...encoded(codec, values)];
        } catch (error) {
          return String(error);
        }
      };
      expect(result(simd)).toEqual(result(plain));
      // In the values, or in what is owed of them.
      for (const place of [3, 300, 598]) {
        const mild = values.with(300, 1);
        const given = [
          { run: mild.with(place, odd), before: mild },
          { run: mild, before: mild.with(place, odd) },
        ];
        for (const { run, before } of given) {
          const [own, other] = [new Float32Array(600), new Float32Array(600)];
          const expected = outcome(plain, run, { before, after: other });
          expect(outcome(simd, run, { before, after: own })).toEqual(expected);
          if (typeof expected !== "string") expect(bitsOf(own)).toEqual(bitsOf(other));
        }
      }
    }
  });
});

it("any f32 at all becomes the half of the plain loops, NaN a NaN", () => {
  fc.assert(
    fc.property(anyFloats(64), (some) => {
      const values = Float32Array.from({ length: 64 }, (_, i) => some[i % Math.max(1, some.length)] ?? 0);
      for (const [, simd, plain] of pairs.slice(6)) {
        const [a, b] = [decoded(plain, encoded(simd, values), 64), decoded(plain, encoded(plain, values), 64)];
        expect(same(a)).toEqual(same(b));
      }
    }),
    { numRuns: 300 },
  );
});
