import { blockCount, blockElements, blockRange, LengthError } from "@weft/vector";
import * as fc from "fast-check";
import { expect, test } from "vitest";

test("blocks tile a vector of any size without gap or overlap, all full but the last", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 }), (size) => {
      const blocks = blockCount(size);
      if (blocks === 0) return size === 0;
      // A long vector is probed at both ends.
      const probes = blocks > 8 ? [0, 1, blocks - 2, blocks - 1] : [...Array(blocks).keys()];
      expect(blockRange(size, 0).start).toBe(0);
      expect(blockRange(size, blocks - 1).end).toBe(size);
      for (const index of probes) {
        const { start, end } = blockRange(size, index);
        expect(start).toBe(index * blockElements);
        if (index < blocks - 1) expect(end - start).toBe(blockElements);
        else expect(end - start).toBeGreaterThan(0);
      }
      return true;
    }),
  );
});

test("a block that does not exist is refused", () => {
  for (const index of [-1, 2, 0.5, NaN]) expect(() => blockRange(blockElements + 1, index)).toThrow(LengthError);
  expect(() => blockRange(0, 0)).toThrow(LengthError);
  for (const size of [-1, 1.5, Infinity]) expect(() => blockCount(size)).toThrow(LengthError);
});
