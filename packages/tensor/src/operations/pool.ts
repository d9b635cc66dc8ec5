/** Pooling over windows of the spatial axes, and upsampling; channels last. */
import { full } from "../create.ts";
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { WindowParams } from "../primitive.ts";
import { typeText } from "../program.ts";
import { div } from "./arithmetic.ts";
import type { Padding } from "./conv.ts";
import { paddingPairs, perAxis } from "./conv.ts";
import { repeat } from "./join.ts";
import { mean } from "./reduce.ts";

export interface PoolOptions {
  readonly window: number | readonly number[];
  /** Default: the window, so that windows do not overlap. */
  readonly stride?: number | readonly number[];
  /** Default `valid`. */
  readonly padding?: Padding;
}

/** Maximum of each window of x [batch, height, width, channels]; padding never wins. */
export function maxPool2d(x: Tensor, options: PoolOptions): Tensor {
  return bind("windowMax", [x], windows("maxPool2d", x, options));
}

/** Maximum of each window of x [batch, time, channels]. */
export function maxPool1d(x: Tensor, options: PoolOptions): Tensor {
  return bind("windowMax", [x], windows("maxPool1d", x, options));
}

export interface AvgPoolOptions extends PoolOptions {
  /** False divides by the cells inside the image alone. Default true. */
  readonly countIncludePad?: boolean;
}

/** Mean of each window of x [batch, height, width, channels]. */
export function avgPool2d(x: Tensor, options: AvgPoolOptions): Tensor {
  return avgPool(x, windows("avgPool2d", x, options), options);
}

/** Mean of each window of x [batch, time, channels]. */
export function avgPool1d(x: Tensor, options: AvgPoolOptions): Tensor {
  return avgPool(x, windows("avgPool1d", x, options), options);
}

/** [batch, height, width, channels] → [batch, channels]. */
export function globalAvgPool2d(x: Tensor): Tensor {
  expectRank("globalAvgPool2d", x, 4);
  return mean(x, { axis: [1, 2] });
}

/** Rows and columns repeated `scale` times. */
export function upsampleNearest2d(x: Tensor, scale: number): Tensor {
  expectRank("upsampleNearest2d", x, 4);
  return repeat(repeat(x, scale, 1), scale, 2);
}

function avgPool(x: Tensor, params: WindowParams, { countIncludePad = true }: AvgPoolOptions): Tensor {
  const total = bind("windowSum", [x], params);
  if (countIncludePad || params.padding.every(([before, after]) => before + after === 0)) {
    return div(
      total,
      params.window.reduce((size, n) => size * n, 1),
    );
  }
  const spatial = x.shape.map((size, axis) => (axis === 0 || axis === x.rank - 1 ? 1 : size));
  return div(total, bind("windowSum", [full(spatial, 1, { dtype: x.dtype })], params));
}

function windows(
  name: "maxPool1d" | "maxPool2d" | "avgPool1d" | "avgPool2d",
  x: Tensor,
  options: PoolOptions,
): WindowParams {
  const rank = name.endsWith("1d") ? 1 : 2;
  expectRank(name, x, rank + 2);
  const window = perAxis(options.window, rank, 1);
  const strides = options.stride === undefined ? window : perAxis(options.stride, rank, 1);
  const padding = paddingPairs(options.padding, { sizes: x.shape.slice(1, -1), extents: window, strides });
  return { window: [1, ...window, 1], strides: [1, ...strides, 1], padding: [[0, 0], ...padding, [0, 0]] };
}

function expectRank(name: string, x: Tensor, rank: number): void {
  if (x.rank !== rank) {
    const axes = rank === 3 ? "[batch, time, channels]" : "[batch, height, width, channels]";
    throw new ShapeError(`${name}: expected ${axes}, got ${typeText(x)}; reshape it first`);
  }
}
