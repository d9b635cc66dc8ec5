import { SafetensorsError } from "@weft/vector";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { asciiJson, decodeUtf8 } from "../src/utf8.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

test("well-formed text is decoded as the platform's decoder does, past any internal piece", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), fc.constantFrom(1, 200), (text, times) => {
      const long = text.toWellFormed().repeat(times);
      expect(decodeUtf8(new TextEncoder().encode(long)) === long).toBe(true);
    }),
  );
});

test("every boundary of the table of well-formed sequences is drawn where the platform's strict decoder draws it", () => {
  const leads = [0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff]; // prettier-ignore
  const nexts = [0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0];
  let accepted = 0;
  for (const a of leads) {
    for (const b of nexts) {
      for (const c of nexts) {
        for (const d of nexts) {
          for (const length of [1, 2, 3, 4]) {
            const bytes = Uint8Array.of(a, b, c, d).subarray(0, length);
            const ours = attempt(() => decodeUtf8(bytes));
            if (ours !== attempt(() => strict.decode(bytes)))
              expect.fail(`[${bytes.join(", ")}] gives ${String(ours)}`);
            if (ours !== undefined) accepted++;
          }
        }
      }
    }
  }
  expect(accepted).toBeGreaterThan(1000);
  expect(() => decodeUtf8(Uint8Array.of(0x61, 0xff))).toThrow(SafetensorsError);
});

function attempt(decode: () => string): string | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

test("JSON is written in ASCII and means the same", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const json = asciiJson(text);
      expect(new TextEncoder().encode(json).length).toBe(json.length);
      expect(JSON.parse(json)).toBe(text);
    }),
  );
});
