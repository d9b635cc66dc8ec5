/** Floats by their bits, so that -0 and 0 differ and NaN equals itself; and arbitrary floats for property tests. */
import * as fc from "fast-check";

export const bitsOf = (values: Float32Array): number[] => [
  ...new Uint32Array(values.buffer, values.byteOffset, values.length),
];

/** Any finite f32: fast-check leans towards zeros, subnormals and extremes. */
export const finiteFloat = (bound = 3.4028234663852886e38): fc.Arbitrary<number> =>
  fc.float({ min: -Math.fround(bound), max: Math.fround(bound), noNaN: true, noDefaultInfinity: true });

/** Any f32 by its bit pattern, NaN payloads included. */
export const anyFloats = (maxLength: number): fc.Arbitrary<Float32Array> =>
  fc
    .array(fc.integer({ min: 0, max: 0xffffffff }), { maxLength })
    .map((words) => new Float32Array(Uint32Array.from(words).buffer));
