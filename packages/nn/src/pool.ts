/** Pooling and upsampling over sequences and images. */
import type { Padding, Tensor } from "@weft/tensor";
import { ShapeError, avgPool1d as average1d, avgPool2d as average2d, typeText } from "@weft/tensor";
import { expectImage } from "./conv.ts";
import type { PerAxis } from "./conv.ts";
import type { Layer } from "./layer.ts";
import { define } from "./layer.ts";
import { checkCount, checkOptions } from "./settings.ts";

export interface PoolOptions {
  /** Size of the window: one number for all spatial axes, or [height, width]. */
  readonly window: PerAxis;
  /** Default: the window, so that windows do not overlap. */
  readonly stride?: PerAxis;
  /** Default `valid`: what does not fill a window is left out. */
  readonly padding?: Padding;
}

/** x [batch, height, width, channels] → the maximum of each window; padding never wins. */
export function maxPool2d(options: PoolOptions): Layer {
  return pool("maxPool2d", options, (x) => x.maxPool2d(options));
}

/** x [batch, time, channels] → the maximum of each window; padding never wins. */
export function maxPool1d(options: PoolOptions): Layer {
  return pool("maxPool1d", options, (x) => x.maxPool1d(options));
}

export interface AvgPoolOptions extends PoolOptions {
  /** True divides by the whole window where it hangs over the edge, as PyTorch does; default false, as Keras. */
  readonly countIncludePad?: boolean;
}

/** x [batch, height, width, channels] → the mean of each window. */
export function avgPool2d(options: AvgPoolOptions): Layer {
  return pool("avgPool2d", options, (x) => average2d(x, { countIncludePad: false, ...options }));
}

/** x [batch, time, channels] → the mean of each window. */
export function avgPool1d(options: AvgPoolOptions): Layer {
  return pool("avgPool1d", options, (x) => average1d(x, { countIncludePad: false, ...options }));
}

/** [batch, …, channels] → [batch, channels]: the mean over time, or height and width. */
export function globalAvgPool(x: Tensor): Tensor {
  return x.mean({ axis: spatialAxes("globalAvgPool", x) });
}

/** [batch, …, channels] → [batch, channels]: the maximum over time, or height and width. */
export function globalMaxPool(x: Tensor): Tensor {
  return x.max({ axis: spatialAxes("globalMaxPool", x) });
}

/** x [batch, height, width, channels] → rows and columns repeated `scale` times. */
export function upsample2d(options: { readonly scale: number }): Layer {
  const { scale } = options;
  checkOptions("upsample2d", options, ["scale"]);
  checkCount("upsample2d", "scale", scale);
  return define(() => (x) => x.upsampleNearest2d(scale), { kind: "upsample2d" });
}

function pool(
  kind: "maxPool1d" | "maxPool2d" | "avgPool1d" | "avgPool2d",
  options: PoolOptions,
  apply: (x: Tensor) => Tensor,
): Layer {
  const { window, stride } = options;
  checkOptions(kind, options, ["window", "stride", "padding", ...(kind.startsWith("avg") ? ["countIncludePad"] : [])]);
  checkCount(kind, "window", window);
  checkCount(kind, "stride", stride ?? window);
  const rank = kind.endsWith("1d") ? 1 : 2;
  return define(
    () => (x) => {
      expectImage(kind, x, rank);
      return apply(x);
    },
    { kind },
  );
}

function spatialAxes(name: string, x: Tensor): number[] {
  if (x.rank >= 3) return Array.from({ length: x.rank - 2 }, (_, i) => i + 1);
  throw new ShapeError(`${name}: expected [batch, …, channels] with axes between, got ${typeText(x)}; leave it out?`);
}
