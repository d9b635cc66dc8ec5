/** First values of parameters. Fans and gains as in Glorot and Bengio 2010, He et al. 2015 and LeCun et al. 1998. */
import type { Shape, Tensor } from "@weft/tensor";
import { full, normal as drawNormal, uniform as drawUniform } from "@weft/tensor";
import { ModelError } from "./errors.ts";
import { drawTruncatedNormal, truncatedStd } from "./truncatedNormal.ts";

/** f32 values of `shape`, drawn from `key`. */
export type Initializer = (key: Tensor, shape: Shape) => Tensor;

export interface NormalOptions {
  readonly std: number;
  /** Default 0. */
  readonly mean?: number;
}

export function normal({ std, mean = 0 }: NormalOptions): Initializer {
  return (key, shape) => drawNormal(key, shape, { std, mean });
}

/** Normal, but never farther than two `std` from the mean: what lies there is drawn again. Its deviation is 0.88 · std. */
export function truncatedNormal({ std, mean = 0 }: NormalOptions): Initializer {
  return (key, shape) => drawTruncatedNormal(key, shape).mul(std).add(mean);
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

export interface VarianceScalingOptions {
  /** Default 1. */
  readonly scale?: number;
  /** Numbers that meet in one output (the default), outputs that one number reaches, or the mean of both. */
  readonly fan?: "in" | "out" | "average";
  /** Default `normal`; `truncatedNormal` is widened so that its deviation is right after the cut. */
  readonly distribution?: "uniform" | "normal" | "truncatedNormal";
}

/** Variance scale / fan: what all of the following are cases of. */
export function varianceScaling(options: VarianceScalingOptions = {}): Initializer {
  const { scale = 1, fan = "in", distribution = "normal" } = options;
  if (!(scale > 0)) throw new ModelError(`varianceScaling: scale must be above 0, got ${scale}`);
  return (key, shape) => {
    const std = Math.sqrt(scale / fansOf(shape)[fan]);
    switch (distribution) {
      case "uniform":
        return uniform({ min: -Math.sqrt(3) * std, max: Math.sqrt(3) * std })(key, shape);
      case "normal":
        return normal({ std })(key, shape);
      case "truncatedNormal":
        return truncatedNormal({ std: std / truncatedStd })(key, shape);
    }
  };
}

export interface GainOptions {
  /** What the activation that follows asks for (`gainFor`); default 1. */
  readonly gain?: number;
}

/** std = gain·√(2 / (fanIn + fanOut)), uniform. */
export function glorotUniform({ gain = 1 }: GainOptions = {}): Initializer {
  return varianceScaling({ scale: gain * gain, fan: "average", distribution: "uniform" });
}

/** std = gain·√(2 / (fanIn + fanOut)), normal. */
export function glorotNormal({ gain = 1 }: GainOptions = {}): Initializer {
  return varianceScaling({ scale: gain * gain, fan: "average" });
}

export interface HeOptions {
  /** What the activation that follows asks for (`gainFor`); default √2, for ReLU. */
  readonly gain?: number;
  /** Which fan keeps its variance; default `in`. */
  readonly fan?: "in" | "out";
}

/** std = gain / √fan, uniform. */
export function heUniform({ gain = Math.SQRT2, fan = "in" }: HeOptions = {}): Initializer {
  return varianceScaling({ scale: gain * gain, fan, distribution: "uniform" });
}

/** std = gain / √fan, normal. */
export function heNormal({ gain = Math.SQRT2, fan = "in" }: HeOptions = {}): Initializer {
  return varianceScaling({ scale: gain * gain, fan });
}

/** std = 1 / √fanIn, uniform. */
export const lecunUniform = (): Initializer => varianceScaling({ distribution: "uniform" });

/** std = 1 / √fanIn, normal. */
export const lecunNormal = (): Initializer => varianceScaling();

const gains = { linear: 1, sigmoid: 1, tanh: 5 / 3, relu: Math.SQRT2, selu: 3 / 4 } as const;

/** The gain that keeps the variance through an activation, as PyTorch's `calculate_gain`; for `leakyRelu` by its slope. */
export function gainFor(activation: keyof typeof gains | "leakyRelu", slope = 0.01): number {
  return activation === "leakyRelu" ? Math.sqrt(2 / (1 + slope * slope)) : gains[activation];
}

/** For [in, out] and [...spatial, in / groups, out]: all sizes but the last, and all but the last but one. */
function fansOf(shape: Shape): Readonly<Record<"in" | "out" | "average", number>> {
  const product = (sizes: Shape) =>
    Math.max(
      1,
      sizes.reduce((size, n) => size * n, 1),
    );
  const fans = { in: product(shape.slice(0, -1)), out: product([...shape.slice(0, -2), ...shape.slice(-1)]) };
  return { ...fans, average: (fans.in + fans.out) / 2 };
}
