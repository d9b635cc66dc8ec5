/** First values of parameters. Fans and gains as in Glorot and Bengio 2010 and He et al. 2015. */
import type { Shape, Tensor } from "@weft/tensor";
import { full, normal as drawNormal, uniform as drawUniform } from "@weft/tensor";

/** f32 values of `shape`, drawn from `key`. */
export type Initializer = (key: Tensor, shape: Shape) => Tensor;

export function normal({ std, mean = 0 }: { readonly std: number; readonly mean?: number }): Initializer {
  return (key, shape) => drawNormal(key, shape, { std, mean });
}

/** Uniform in [min, max). */
export function uniform({ min, max }: { readonly min: number; readonly max: number }): Initializer {
  return (key, shape) => drawUniform(key, shape, { min, max });
}

export function constant(value: number): Initializer {
  return (_, shape) => full(shape, value, { dtype: "f32" });
}

export const zeros = (): Initializer => constant(0);
export const ones = (): Initializer => constant(1);

export interface GainOptions {
  /** What the activation that follows asks for; default 1. */
  readonly gain?: number;
}

/** std = gain·√(2 / (fanIn + fanOut)), uniform. */
export function glorotUniform({ gain = 1 }: GainOptions = {}): Initializer {
  return scaledUniform((fans) => glorotStd(fans, gain));
}

/** std = gain·√(2 / (fanIn + fanOut)), normal. */
export function glorotNormal({ gain = 1 }: GainOptions = {}): Initializer {
  return scaledNormal((fans) => glorotStd(fans, gain));
}

export interface HeOptions {
  /** What the activation that follows asks for; default √2, for ReLU. With 1 this is LeCun's initialisation. */
  readonly gain?: number;
  /** Which fan keeps its variance; default `in`. */
  readonly fan?: "in" | "out";
}

/** std = gain / √fan, uniform. */
export function heUniform({ gain = Math.SQRT2, fan = "in" }: HeOptions = {}): Initializer {
  return scaledUniform((fans) => gain / Math.sqrt(fans[fan]));
}

/** std = gain / √fan, normal. */
export function heNormal({ gain = Math.SQRT2, fan = "in" }: HeOptions = {}): Initializer {
  return scaledNormal((fans) => gain / Math.sqrt(fans[fan]));
}

/** Numbers that meet in one output, and outputs that one number reaches. */
interface Fans {
  readonly in: number;
  readonly out: number;
}

const glorotStd = (fans: Fans, gain: number) => gain * Math.sqrt(2 / (fans.in + fans.out));

function scaledUniform(stdOf: (fans: Fans) => number): Initializer {
  return (key, shape) => {
    const limit = Math.sqrt(3) * stdOf(fansOf(shape));
    return uniform({ min: -limit, max: limit })(key, shape);
  };
}

function scaledNormal(stdOf: (fans: Fans) => number): Initializer {
  return (key, shape) => normal({ std: stdOf(fansOf(shape)) })(key, shape);
}

/** For [in, out] and [...spatial, in / groups, out]: all sizes but the last, and all but the last but one. */
function fansOf(shape: Shape): Fans {
  const product = (sizes: Shape) =>
    Math.max(
      1,
      sizes.reduce((size, n) => size * n, 1),
    );
  return { in: product(shape.slice(0, -1)), out: product([...shape.slice(0, -2), ...shape.slice(-1)]) };
}
