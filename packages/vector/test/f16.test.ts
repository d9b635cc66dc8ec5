import { f16 } from "@weft/vector";
import * as fc from "fast-check";
import { expect, test } from "vitest";

/** Value of a half by its definition, IEEE 754-2019 table 3.5. */
function valueOfHalf(half: number): number {
  const sign = half >>> 15 === 1 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const fraction = (half & 1023) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}

function encoded(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(2 * values.length);
  f16.encode(values, bytes, 0);
  return bytes;
}

const encodeHalf = (value: number): number => {
  const bytes = encoded(Float32Array.of(value));
  return bytes[0]! | (bytes[1]! << 8);
};

/** Nearest half by bisection over the non-negative ones; 65536 stands where infinity is, ties go to the even pattern. */
function nearestHalf(value: number): number {
  const magnitude = Math.abs(value);
  const at = (half: number) => (half === 0x7c00 ? 65536 : valueOfHalf(half));
  let [low, high] = [0, 0x7c00];
  if (magnitude >= 65536) low = high;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (at(middle) <= magnitude) low = middle;
    else high = middle;
  }
  const [below, above] = [magnitude - at(low), at(high) - magnitude];
  const nearest = below < above || (below === above && low % 2 === 0) ? low : high;
  return nearest | (value < 0 || Object.is(value, -0) ? 0x8000 : 0);
}

test("all 65,536 halves decode to their value and encode back to themselves", () => {
  const halves = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const values = new Float32Array(65536);
  f16.decode(new Uint8Array(halves.buffer), values);
  const back = new Uint16Array(encoded(values).buffer);
  for (let half = 0; half < 65536; half++) {
    const expected = valueOfHalf(half);
    if (!Object.is(values[half], expected)) expect.fail(`half ${half} decodes to ${values[half]}, not ${expected}`);
    if (Number.isNaN(expected)) expect(valueOfHalf(back[half]!)).toBeNaN();
    else if (back[half] !== half) expect.fail(`half ${half} encodes back to ${back[half]}`);
  }
});

test("midway between two halves the even one is taken, and a hair to either side the nearer one", () => {
  const word = new Uint32Array(1);
  const value = new Float32Array(word.buffer);
  for (let half = 0; half < 0x7c00; half++) {
    const above = half + 1 === 0x7c00 ? 65536 : valueOfHalf(half + 1);
    const middle = (valueOfHalf(half) + above) / 2;
    value[0] = middle;
    if (encodeHalf(middle) !== half + (half & 1)) expect.fail(`tie after half ${half}`);
    word[0]! -= 1;
    if (encodeHalf(value[0]) !== half) expect.fail(`below the tie after half ${half}`);
    word[0]! += 2;
    if (encodeHalf(-value[0]) !== half + 1 + 0x8000) expect.fail(`above the tie after half ${half}, negated`);
  }
});

test("every float goes to the nearest half", () => {
  // Any bits at all, and exponents around the halves' own range.
  const anyWord = fc.integer({ min: 0, max: 0xffffffff });
  const nearWord = fc
    .tuple(fc.constantFrom(0, 1), fc.integer({ min: 127 - 26, max: 127 + 17 }), fc.integer({ min: 0, max: 0x7fffff }))
    .map(([sign, exponent, fraction]) => sign * 2 ** 31 + exponent * 2 ** 23 + fraction);
  fc.assert(
    fc.property(fc.array(fc.oneof(anyWord, nearWord), { minLength: 50, maxLength: 50 }), (words) => {
      for (const value of new Float32Array(Uint32Array.from(words).buffer)) {
        if (Number.isNaN(value)) expect(valueOfHalf(encodeHalf(value))).toBeNaN();
        else expect(encodeHalf(value)).toBe(nearestHalf(value));
      }
    }),
    { numRuns: 300 },
  );
  for (const value of [65519, 65520, 65536, 65537, 65600, 73727, 1e30]) {
    expect(encodeHalf(value)).toBe(nearestHalf(value));
    expect(encodeHalf(-value)).toBe(nearestHalf(-value));
  }
});

test("at the tie between zero and the smallest half, the last bit of the float decides", () => {
  // 2^-25 is the tie between 0 and the smallest half; the next float is past it.
  expect(encodeHalf(2 ** -25)).toBe(0);
  expect(encodeHalf(2 ** -25 * (1 + 2 ** -23))).toBe(1);
  expect(encodeHalf(2 ** -149)).toBe(0);
  expect(encodeHalf(-(2 ** -149))).toBe(0x8000);
});
