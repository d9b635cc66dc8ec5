/** Frames: what goes in comes out, and what must not go in does not. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeFrame, decodeFrameParts, encodeFrame, encodeHeader, headerBytes, ProtocolError } from "@weft/protocol";

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((value) => (value === 0 ? 0 : value)),
    // msgpack writes -0 as the integer 0.
    fc.double({ noNaN: true }).map((value) => (value === 0 ? 0 : value)),
    fc.string({ unit: "binary" }),
    fc.array(tie("value"), { maxLength: 6 }),
    fc.dictionary(
      fc.string({ unit: "grapheme" }).filter((key) => !["__proto__", "constructor", "prototype"].includes(key)),
      tie("value"),
      { maxKeys: 6, noNullPrototype: true },
    ),
  ),
})).value;

test("plain data and raw bytes survive the way there and back", () => {
  fc.assert(
    fc.property(plain, fc.uint8Array({ maxLength: 100 }), (header, body) => {
      const frame = decodeFrame(encodeFrame(header, body));
      expect(frame.header).toEqual(header);
      expect(frame.body).toEqual(body);
    }),
  );
});

test("a frame in two parts is the same frame, wherever it is cut, and is not copied when it is cut after its header", () => {
  fc.assert(
    fc.property(plain, fc.uint8Array({ maxLength: 100 }), fc.nat(), (header, body, where) => {
      const whole = encodeFrame(header, body);
      const cut = where % (whole.length + 1);
      const frame = decodeFrameParts(whole.subarray(0, cut), whole.subarray(cut));
      expect(frame.header).toEqual(header);
      expect(frame.body).toEqual(body);
      expect(decodeFrameParts(encodeHeader(header), body).body).toBe(body);
      expect(headerBytes(header)).toBe(encodeHeader(header).length);
    }),
  );
});

test("the raw bytes begin at a multiple of 8, in the frame's own memory", () => {
  for (let length = 0; length < 20; length++) {
    const frame = encodeFrame({ text: "x".repeat(length) }, Uint8Array.of(1, 2, 3));
    const { body } = decodeFrame(frame);
    expect(body.byteOffset % 8).toBe(0);
    expect(body.buffer).toBe(frame.buffer);
  }
});

test("an encoded header keeps its bytes when others are encoded after it", () => {
  const first = encodeHeader({ kind: "a", text: "first" });
  const copy = first.slice();
  for (let index = 0; index < 1000; index++) encodeHeader({ kind: "b", text: "x".repeat(index) });
  expect(first).toEqual(copy);
});

test("properties that are undefined are left out", () => {
  expect(decodeFrame(encodeFrame({ token: undefined, name: "x" })).header).toEqual({ name: "x" });
});

test("integers beyond 32 bits stay numbers", () => {
  for (const value of [2 ** 32, -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    expect(decodeFrame(encodeFrame(value)).header).toBe(value);
  }
});

describe("a header refuses", () => {
  test.each([
    ["a typed array", { weights: new Float32Array(4) }, "header.weights: expected plain data, got a Float32Array"],
    ["bytes", [new Uint8Array(4)], "header[0]: expected plain data, got a Uint8Array"],
    ["a bigint", { n: 1n }, "header.n: expected plain data, got a bigint"],
    ["a date", { at: new Date(0) }, "header.at: expected plain data, got a Date"],
    ["a map", new Map(), "header: expected plain data, got a Map"],
    ["undefined in an array", [undefined], "header[0]: expected plain data, got undefined"],
    ["a key of the prototype", JSON.parse('{"__proto__": 1}'), 'header: the key "__proto__" is not allowed'],
  ])("%s", (_, header: unknown, text) => {
    expect(() => encodeFrame(header)).toThrow(text);
  });

  test("more than 64 KiB, 65,536 values or 16 levels", () => {
    expect(() => encodeFrame("x".repeat(65_536))).toThrow("at most 65536 are allowed; send bulk as payload");
    const limits = { maxHeaderBytes: 1e9, maxDepth: 16, maxElements: 65_536 };
    expect(() => encodeFrame(new Array(65_536).fill(0), undefined, limits)).toThrow("more than 65536 values");
    const nested = (depth: number): unknown => (depth === 0 ? [] : [nested(depth - 1)]);
    expect(decodeFrame(encodeFrame(nested(15))).header).toEqual(nested(15));
    expect(() => encodeFrame(nested(16))).toThrow("nested deeper than 16");
  });
});

describe("decoding refuses, without unpacking", () => {
  /** A frame around the given header bytes. */
  const raw = (header: readonly number[] | Uint8Array) => {
    const frame = new Uint8Array(Math.ceil((4 + header.length) / 8) * 8);
    new DataView(frame.buffer).setUint32(0, header.length, true);
    frame.set(header, 4);
    return frame;
  };
  const key = (text: string) => [0xa0 + text.length, ...Buffer.from(text)];

  test.each<[string, Uint8Array, string, string]>([
    ["nothing", new Uint8Array(0), "frame", "frame: at least 4 bytes expected, got 0"],
    ["a missing header", Uint8Array.of(9, 0, 0, 0), "frame", "a header of 9 bytes expected"],
    ["a length bomb", Uint8Array.of(255, 255, 255, 255), "size", "header: 4294967295 bytes, at most 65536 are allowed"],
    ["an empty header", raw([]), "header", "header: ends after 0 bytes"],
    ["bytes after the value", raw([0xc0, 0xc0]), "header", "one value expected, 1 bytes follow it"],
    ["a string that is cut short", raw([0xa5, 0x61]), "header", "ends after 2 bytes, a value needs 6"],
    ["a map that cannot fit", raw([0xdf, 255, 255, 255, 255]), "header", "header: ends after 5 bytes"],
    ["an array that cannot fit", raw([0xdd, 255, 255, 255, 255]), "header", "header: ends after 5 bytes"],
    ["nested arrays", raw(new Uint8Array(60_000).fill(0x91)), "header", "nested deeper than 16"],
    ["nested maps", raw(Array.from({ length: 20_000 }, () => [0x81, 0xa1, 0x61]).flat()), "header", "nested deeper"],
    ["a number as key", raw([0x81, 0x01, 0x01]), "header", "a key that is not a string"],
    ["a map as key", raw([0x81, 0x80, 0x01]), "header", "a key that is not a string"],
    ["__proto__", raw([0x81, ...key("__proto__"), 0x80]), "header", 'a map has the key "__proto__"'],
    [
      "constructor, in a long form",
      raw([0x81, 0xd9, 11, ...Buffer.from("constructor"), 0x80]),
      "header",
      '"constructor"',
    ],
    ["prototype, deep inside", raw([0x91, 0x81, ...key("prototype"), 0x80]), "header", '"prototype"'],
    ["binary", raw([0xc4, 1, 0]), "header", "msgpack type 0xc4 at byte 0"],
    ["a record", raw([0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01]), "header", "msgpack type 0xd4"],
    ["a cyclic reference", raw([0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1]), "header", "msgpack type 0xd6"],
    ["a BigInt", raw([0xc7, 2, 0x42, 1, 0]), "header", "msgpack type 0xc7"],
    ["a date", raw([0xd6, 0xff, 0, 0, 0, 0]), "header", "msgpack type 0xd6"],
    ["a typed array", raw([0xc7, 5, 0x74, 8, 0, 0, 0, 0]), "header", "msgpack type 0xc7"],
    ["the type that is never used", raw([0xc1]), "header", "msgpack type 0xc1"],
  ])("%s", (_, frame, code, text) => {
    let error: unknown;
    try {
      decodeFrame(frame);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error).toMatchObject({ code, message: expect.stringContaining(text) as unknown });
  });

  test("four million empty maps cost no memory", () => {
    const bomb = new Uint8Array(4_000_016).fill(0x80);
    new DataView(bomb.buffer).setUint32(0, 4_000_005, true);
    bomb.set([0xdd, 0, 0x3d, 0x09, 0x00], 4);
    const before = process.memoryUsage().heapUsed;
    expect(() => decodeFrame(bomb)).toThrow("at most 65536 are allowed");
    const limits = { maxHeaderBytes: 1e9, maxDepth: 16, maxElements: 65_536 };
    expect(() => decodeFrame(bomb, limits)).toThrow("more than 65536 values");
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(32e6);
  });
});
