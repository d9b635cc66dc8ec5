/** Normalisation within each example: layer, group and root-mean-square norms. */
import type { Tensor } from "@weft/tensor";
import { ShapeError, inF32, typeText } from "@weft/tensor";
import { ModelError } from "./errors.ts";
import { ones, zeros } from "./initializers.ts";
import type { Layer, Scope } from "./layer.ts";
import { define } from "./layer.ts";
import { checkCount, checkOptions } from "./settings.ts";

export interface NormOptions {
  /** Added to the variance, so that a constant input stays finite. */
  readonly epsilon?: number;
  /** Whether there is a learned factor `gamma`; default true. */
  readonly useScale?: boolean;
  /** Whether there is a learned offset `beta`; default true. */
  readonly useBias?: boolean;
}

export interface LayerNormOptions extends NormOptions {
  /** How many of the last axes are normalised together; default 1. */
  readonly axes?: number;
}

/** What norms know. */
export const normOptions = ["epsilon", "useScale", "useBias"];

/** To mean 0 and variance 1 over the last axes, then ·gamma + beta, of the shape of those (Ba et al. 2016). Epsilon 1e-5. */
export function layerNorm({ axes = 1, epsilon = 1e-5, ...affine }: LayerNormOptions = {}): Layer {
  checkOptions("layerNorm", affine, ["axes", ...normOptions]);
  checkCount("layerNorm", "axes", axes);
  return define(
    (scope) => (x) => {
      if (x.rank < axes) throw new ShapeError(`layerNorm: ${typeText(x)} has fewer than ${axes} axes; lower axes`);
      const last = Array.from({ length: axes }, (_, i) => x.rank - axes + i);
      return scaled(scope, normalised(x, last, epsilon), { shape: x.shape.slice(-axes), ...affine });
    },
    { kind: "layerNorm" },
  );
}

export interface GroupNormOptions extends NormOptions {
  /** Channels fall into this many groups of neighbours. */
  readonly groups: number;
}

/**
 * x [batch, …spatial, channels] to mean 0 and variance 1 over space and each group of channels, then ·gamma + beta [channels]
 * (Wu and He 2018). Epsilon 1e-5.
 */
export function groupNorm({ groups, ...options }: GroupNormOptions): Layer {
  checkCount("groupNorm", "groups", groups);
  checkOptions("groupNorm", options, ["groups", ...normOptions]);
  return grouped("groupNorm", () => groups, options);
}

/** `groupNorm` with a group for each channel. */
export function instanceNorm(options: NormOptions = {}): Layer {
  checkOptions("instanceNorm", options, normOptions);
  return grouped("instanceNorm", (channels) => channels, options);
}

/** x / √(mean square over the last axis + epsilon) · gamma (Zhang and Sennrich 2019). Epsilon 1e-6. */
export function rmsNorm(options: Omit<NormOptions, "useBias"> = {}): Layer {
  const { epsilon = 1e-6, useScale = true } = options;
  checkOptions("rmsNorm", options, ["epsilon", "useScale"]);
  return define(
    (scope) => (x) => {
      const y = inF32(x, (wide) => {
        const power = wide.mul(wide).mean({ axis: -1, keepDims: true });
        return wide.mul(power.add(epsilon).rsqrt());
      });
      return scaled(scope, y, { shape: x.shape.slice(-1), useScale, useBias: false });
    },
    { kind: "rmsNorm" },
  );
}

function grouped(
  kind: string,
  groupsOf: (channels: number) => number,
  { epsilon = 1e-5, ...affine }: NormOptions,
): Layer {
  return define(
    (scope) => (x) => {
      const channels = x.shape.at(-1) ?? 0;
      const groups = groupsOf(channels);
      if (x.rank < 2) throw new ShapeError(`${kind}: expected [batch, …, channels], got ${typeText(x)}; add axes`);
      if (channels % groups !== 0) {
        throw new ModelError(`${kind}: ${channels} channels do not divide into ${groups} groups; use a divisor`);
      }
      const parts = x.reshape([...x.shape.slice(0, -1), groups, channels / groups]);
      const together = parts.shape.flatMap((_, axis) => (axis === 0 || axis === x.rank - 1 ? [] : [axis]));
      const y = normalised(parts, together, epsilon).reshape(x.shape);
      return scaled(scope, y, { shape: [channels], ...affine });
    },
    { kind },
  );
}

/** To mean 0 and (biased) variance 1 over the axes. */
export function normalised(x: Tensor, axis: readonly number[], epsilon: number): Tensor {
  const options = { axis, keepDims: true };
  return inF32(x, (wide) => {
    const centred = wide.sub(wide.mean(options));
    return centred.mul(centred.mul(centred).mean(options).add(epsilon).rsqrt());
  });
}

/** x · gamma + beta, as far as they are wanted. */
export function scaled(
  { parameter }: Scope,
  x: Tensor,
  { shape, useScale = true, useBias = true }: Omit<NormOptions, "epsilon"> & { readonly shape: readonly number[] },
): Tensor {
  const y = useScale ? x.mul(parameter("gamma", shape, ones())) : x;
  return useBias ? y.add(parameter("beta", shape, zeros())) : y;
}
