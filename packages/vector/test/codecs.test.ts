import {
  canPublish,
  CodecError,
  type CodecSpec,
  codecText,
  createManifest,
  decodeVector,
  type EncodedVector,
  encodeVector,
  encodingRoom,
  LengthError,
  type Manifest,
  openCodec,
  parseCodecSpec,
  usesFeedback,
  ValueError,
} from "@weft/vector";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { bitsOf } from "./bits.ts";

const specs: readonly CodecSpec[] = [
  { kind: "f32" },
  { kind: "f16" },
  { kind: "bf16" },
  { kind: "int8" },
  { kind: "int4" },
  { kind: "int2" },
  { kind: "sign" },
  { kind: "topK", fraction: 0.1 },
  { kind: "randomK", fraction: 0.1 },
  { kind: "lowRank", rank: 2 },
];

/** A vector of so many elements with a matrix in its middle where there is room. */
function layoutOf(size: number): Manifest {
  const columns = 12;
  const rows = Math.floor(size / 2 / columns);
  const rest = size - rows * columns;
  return createManifest([
    { name: "head", shape: [Math.floor(rest / 3)] },
    { name: "kernel", shape: [rows, columns] },
    { name: "tail", shape: [rest - Math.floor(rest / 3)] },
  ]);
}

/** Values of very different magnitudes, zeros among them. */
const vectors = (maxLength: number) =>
  fc
    .tuple(
      fc.array(fc.oneof(fc.float({ min: -8, max: 8, noNaN: true }), fc.constant(0)), { maxLength }),
      fc.constantFrom(1, 1e-30, 1e-3, 1e3),
    )
    .map(([values, scale]) => Float32Array.from(values, (value) => value * scale));

const normOf = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
const minus = (a: Float32Array, b: Float32Array) => a.map((value, i) => value - b[i]!);

function roundTrip(spec: CodecSpec, values: Float32Array, seed = 1) {
  const codec = openCodec(spec, layoutOf(values.length));
  const { bytes, memory } = encodeVector(codec, values, { seed });
  const decoded = new Float32Array(values.length);
  decodeVector(codec, bytes, decoded);
  return { codec, bytes, memory, decoded };
}

describe.each(specs.map((spec) => [codecText(spec), spec] as const))("%s", (_, spec) => {
  it("takes exactly the bytes it says, segment after segment", () => {
    fc.assert(
      fc.property(vectors(2000), (values) => {
        const { codec, bytes } = roundTrip(spec, values);
        expect(bytes.length).toBe(codec.encodedBytes);
        let [element, byte] = [0, 0];
        for (const { start, end, offset, bytes: length } of codec.segments) {
          expect([start, offset]).toEqual([element, byte]);
          [element, byte] = [end, offset + length];
        }
        expect([element, byte]).toEqual([codec.size, codec.encodedBytes]);
      }),
      { numRuns: 30 },
    );
  });

  it("never gives something farther from the values than zeros are", () => {
    fc.assert(
      fc.property(vectors(2000), (values) => {
        const { decoded } = roundTrip(spec, values);
        expect(normOf(minus(values, decoded))).toBeLessThanOrEqual(normOf(values) * (1 + 1e-4) + 1e-33);
      }),
      { numRuns: 60 },
    );
  });

  it("what was lost and what was decoded add up to what was given, round after round", () => {
    const size = 900;
    const codec = openCodec(spec, layoutOf(size));
    const given = new Float64Array(size);
    const got = new Float64Array(size);
    let memory = {};
    for (let round = 0; round < 8; round++) {
      const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i * 7.3 + round * 1.7) * (1 + (i % 9)));
      const encoded = encodeVector(codec, values, { seed: round, memory });
      const decoded = new Float32Array(size);
      decodeVector(codec, encoded.bytes, decoded);
      values.forEach((value, i) => (given[i]! += value));
      decoded.forEach((value, i) => (got[i]! += value));
      ({ memory } = encoded);
    }
    const residual = (memory as { residual?: Float32Array }).residual;
    expect(residual !== undefined).toBe(usesFeedback(spec));
    const bound = usesFeedback(spec) ? 1e-4 : { f32: 0, f16: 0.05, bf16: 0.4, int8: 0.5, int4: 8 }[spec.kind as "f32"];
    for (let i = 0; i < size; i++)
      expect(Math.abs(given[i]! - got[i]! - (residual?.[i] ?? 0))).toBeLessThanOrEqual(bound);
  });

  it("what was kept for an update that did not count is as it was", () => {
    const codec = openCodec(spec, layoutOf(300));
    const values = Float32Array.from({ length: 300 }, (_, i) => Math.cos(i));
    const { memory } = encodeVector(codec, values, { seed: 1 });
    const before = structuredClone(memory);
    const second = encodeVector(codec, values, { seed: 2, memory }).bytes;
    expect(memory).toEqual(before);
    expect(encodeVector(codec, values, { seed: 2, memory }).bytes).toEqual(second);
  });

  it("decodes any bytes of the right length to finite values, or refuses them by name", () => {
    fc.assert(
      fc.property(fc.nat({ max: 700 }), fc.infiniteStream(fc.nat({ max: 255 })), fc.boolean(), (size, stream, mild) => {
        const codec = openCodec(spec, layoutOf(size));
        // Random bytes are nearly always refused, so some have scales that are in order.
        const bytes = Uint8Array.from({ length: codec.encodedBytes }, (_, i) => {
          const byte = stream.next().value as number;
          return mild && i % 2 === 1 ? byte & 0x3f : byte;
        });
        const out = new Float32Array(size);
        try {
          decodeVector(codec, bytes, out);
        } catch (error) {
          expect(error).toBeInstanceOf(ValueError);
          return;
        }
        expect(out.every((value) => Number.isFinite(value))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("refuses bytes and vectors of another length", () => {
    const codec = openCodec(spec, layoutOf(100));
    for (const length of [0, codec.encodedBytes - 1, codec.encodedBytes + 1]) {
      expect(() => decodeVector(codec, new Uint8Array(length), new Float32Array(100))).toThrow(LengthError);
    }
    expect(() => decodeVector(codec, new Uint8Array(codec.encodedBytes), new Float32Array(99))).toThrow(LengthError);
    expect(() => encodeVector(codec, new Float32Array(99), { seed: 0 })).toThrow(LengthError);
  });

  it("does not turn NaN or infinity into something finite", () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      const values = new Float32Array(200).fill(0.5);
      values[77] = bad;
      expect(() => roundTrip(spec, values)).toThrow(ValueError);
    }
  });
});

test.each(specs.map((spec) => [codecText(spec), spec] as const))(
  "encodings in %s that take turns in a room are those of fresh memory, and leave what was kept before as it is",
  (_, spec) => {
    const manifest = createManifest([
      { name: "head", shape: [999] },
      { name: "kernel", shape: [1023, 1024] },
      { name: "tail", shape: [4711] },
    ]);
    const codec = openCodec(spec, manifest);
    const room = encodingRoom(codec);
    let [own, fresh]: [EncodedVector | undefined, EncodedVector | undefined] = [undefined, undefined];
    for (const round of [0, 1, 2]) {
      const values = Float32Array.from({ length: codec.size }, (_value, i) => ((i * (round + 3)) % 1013) - 500);
      const before: EncodedVector | undefined = own;
      const kept = before?.memory.residual?.slice();
      own = encodeVector(codec, values, { seed: round, memory: own?.memory, reuse: room[round % 2] });
      fresh = encodeVector(codec, values, { seed: round, memory: fresh?.memory });
      expect(own.bytes).toBe(room[round % 2]!.bytes);
      expect(Buffer.compare(own.bytes, fresh.bytes)).toBe(0);
      expect(own.memory.residual).toBe(room[round % 2]!.memory.residual);
      expect(equal(own.memory.residual, fresh.memory.residual)).toBe(true);
      expect(equal(before?.memory.residual, kept)).toBe(true);
    }
  },
);

/** Bit by bit. */
const equal = (a: Float32Array = new Float32Array(0), b: Float32Array = new Float32Array(0)): boolean =>
  Buffer.compare(
    new Uint8Array(a.buffer, a.byteOffset, a.byteLength),
    new Uint8Array(b.buffer, b.byteOffset, b.byteLength),
  ) === 0;

const settled = specs.filter(({ kind }) => kind !== "topK" && kind !== "lowRank");
test.each(settled.map((spec) => [codecText(spec), spec] as const))("%s leaves what it decoded as it is", (_, spec) => {
  fc.assert(
    fc.property(vectors(1500), (values) => {
      const { decoded } = roundTrip(spec, values);
      expect(bitsOf(roundTrip(spec, decoded).decoded)).toEqual(bitsOf(decoded));
    }),
    { numRuns: 100 },
  );
});

test.each([
  [{ kind: "int8" }, 256, 127],
  [{ kind: "int4" }, 64, 7],
] as const)("%o is off by at most half a step of its group", (spec, group, levels) => {
  fc.assert(
    fc.property(vectors(1500), (values) => {
      const { decoded } = roundTrip(spec, values);
      for (let start = 0; start < values.length; start += group) {
        const run = values.subarray(start, start + group);
        const largest = run.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        // The scale is a bf16: up to 1/256 more than the largest over the levels.
        const bound = (largest / levels / 2) * (1 + 1 / 128) + 2 ** -119;
        run.forEach((value, i) => expect(Math.abs(value - decoded[start + i]!)).toBeLessThanOrEqual(bound));
      }
    }),
    { numRuns: 60 },
  );
});

test("the largest floats survive quantisation", () => {
  const largest = 3.4028234663852886e38;
  for (const kind of ["int8", "int4", "int2", "sign"] as const) {
    const { decoded } = roundTrip({ kind }, Float32Array.of(largest, -largest, largest / 2, 0));
    expect(decoded[0]! / largest).toBeGreaterThan(0.4);
    expect(decoded[1]! / largest).toBeLessThan(-0.4);
  }
});

test("topK keeps the largest values where they were", () => {
  const values = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i * 12.9) / 10);
  for (const place of [300, 500, 999]) values[place] = place;
  const { decoded, memory } = roundTrip({ kind: "topK", fraction: 0.003 }, values);
  expect([...decoded.keys()].filter((i) => decoded[i] !== 0)).toEqual([300, 500, 999]);
  expect(decoded[999]).toBeCloseTo(999, -1);
  expect(memory.residual![7]).toBe(values[7]);
});

test("randomK visits every place sooner or later, and another seed other places", () => {
  const codec = openCodec({ kind: "randomK", fraction: 0.1 }, layoutOf(500));
  const ones = new Float32Array(500).fill(1);
  const visits = new Float32Array(500);
  for (let seed = 0; seed < 200; seed++) {
    const decoded = new Float32Array(500);
    decodeVector(codec, encodeVector(codec, ones, { seed }).bytes, decoded);
    expect(decoded.filter((value) => value !== 0)).toHaveLength(50);
    decoded.forEach((value, i) => (visits[i]! += Number(value !== 0)));
  }
  expect(Math.min(...visits)).toBeGreaterThan(0);
});

test("lowRank is exact on a matrix of that rank once it has found its columns", () => {
  const manifest = createManifest([{ name: "kernel", shape: [40, 30] }]);
  const codec = openCodec({ kind: "lowRank", rank: 2 }, manifest);
  const values = Float32Array.from({ length: 1200 }, (_, at) => {
    const [i, j] = [Math.floor(at / 30), at % 30];
    return Math.sin(i) * Math.cos(j) + 0.3 * Math.cos(2 * i) * Math.sin(3 * j);
  });
  const { bytes } = encodeVector(codec, values, { seed: 4 });
  const decoded = new Float32Array(1200);
  decodeVector(codec, bytes, decoded);
  expect(normOf(minus(values, decoded)) / normOf(values)).toBeLessThan(0.01);
  expect(bytes.length).toBe(2 * 2 * 70);
});

test("a matrix is decoded from any element on", () => {
  const manifest = createManifest([{ name: "kernel", shape: [40, 30] }]);
  const codec = openCodec({ kind: "lowRank", rank: 3 }, manifest);
  const values = Float32Array.from({ length: 1200 }, (_, i) => Math.sin(i * i));
  const { bytes } = encodeVector(codec, values, { seed: 4 });
  const whole = new Float32Array(1200);
  codec.decodeSegment(0, bytes, whole);
  fc.assert(
    fc.property(fc.nat({ max: 1199 }), fc.nat({ max: 100 }), (from, count) => {
      const part = new Float32Array(Math.min(count, 1200 - from));
      codec.decodeSegment(0, bytes, part, from);
      expect(part).toEqual(whole.subarray(from, from + part.length));
    }),
  );
});

test("specifications are parsed strictly, and print as they are called", () => {
  for (const spec of specs) expect(parseCodecSpec(structuredClone(spec))).toEqual(spec);
  expect(parseCodecSpec("int4")).toEqual({ kind: "int4" });
  expect(codecText({ kind: "topK", fraction: 0.01 })).toBe("topK(0.01)");
  for (const bad of [
    "f64",
    "toString",
    "topK",
    7,
    null,
    { kind: "topK", fraction: 0.6 },
    { kind: "topK", fraction: NaN },
    { kind: "lowRank", rank: 0 },
    { kind: "int8", group: 4 },
    { kind: "lowRank", rank: 2, seed: 1 },
  ]) {
    expect(() => parseCodecSpec(bad)).toThrow(CodecError);
  }
  expect(() => parseCodecSpec("F32")).toThrow('codec "F32": expected one of f32, f16');
});

test("codecs that carry weights keep nothing back", () => {
  for (const spec of specs) expect(canPublish(spec)).toBe(!usesFeedback(spec));
});
