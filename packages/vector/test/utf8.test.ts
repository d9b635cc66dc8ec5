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

test("any bytes are accepted or refused as the platform's strict decoder does", () => {
  // Leads and continuations near every boundary of the table of well-formed sequences.
  const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff]; // prettier-ignore
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...edges), { maxLength: 6 }), (list) => {
      const bytes = Uint8Array.from(list);
      let expected: string | undefined;
      try {
        expected = strict.decode(bytes);
      } catch {
        expect(() => decodeUtf8(bytes)).toThrow(SafetensorsError);
        return;
      }
      expect(decodeUtf8(bytes)).toBe(expected);
    }),
    { numRuns: 5000 },
  );
});

test("JSON is written in ASCII and means the same", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const json = asciiJson(text);
      expect(new TextEncoder().encode(json).length).toBe(json.length);
      expect(JSON.parse(json)).toBe(text);
    }),
  );
});
