/** Convolutions and transposed convolutions over one or two spatial axes, channels last. */
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { PadPair } from "../primitive.ts";
import { typeText } from "../program.ts";
import { swapAxes } from "./shape.ts";

/**
 * Zeros around the spatial axes: none (`valid`), enough for ceil(size / stride) results (`same`), one number for all sides,
 * or per axis a number or [before, after].
 */
export type Padding = "valid" | "same" | number | readonly (number | PadPair)[];

export interface ConvOptions {
  readonly stride?: number | readonly number[];
  /** Default `valid`. */
  readonly padding?: Padding;
  readonly dilation?: number | readonly number[];
  /** Channels fall into this many groups that do not see each other. */
  readonly groups?: number;
}

/** x [batch, height, width, in] * kernel [height, width, in / groups, out] → [batch, height', width', out]. */
export function conv2d(x: Tensor, kernel: Tensor, options: ConvOptions = {}): Tensor {
  return conv("conv2d", [x, kernel], options);
}

/** x [batch, time, in] * kernel [width, in / groups, out] → [batch, time', out]. */
export function conv1d(x: Tensor, kernel: Tensor, options: ConvOptions = {}): Tensor {
  return conv("conv1d", [x, kernel], options);
}

export interface ConvTransposeOptions {
  readonly stride?: number | readonly number[];
  /** Cropped from the ends of each axis: what the convolution that this one undoes would add. `same`: to size · stride. */
  readonly padding?: Padding;
  /** Added at the bottom and right. */
  readonly outputPadding?: number | readonly number[];
  readonly dilation?: number | readonly number[];
}

/**
 * x [batch, height, width, in] spread by kernel [height, width, in, out]: out[i·stride - padding + u·dilation] += x[i] · kernel[u].
 */
export function convTranspose2d(x: Tensor, kernel: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convTranspose("convTranspose2d", [x, kernel], options);
}

/** x [batch, time, in] spread by kernel [width, in, out], as `convTranspose2d`. */
export function convTranspose1d(x: Tensor, kernel: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convTranspose("convTranspose1d", [x, kernel], options);
}

/** One entry per spatial axis. */
export function perAxis(value: number | readonly number[] | undefined, rank: number, missing: number): number[] {
  return Array.from({ length: rank }, (_, i) => (typeof value === "number" ? value : value?.[i]) ?? missing);
}

/** Padding as pairs, for windows of `extents` cells moved by `strides` over `sizes`. */
export function paddingPairs(
  padding: Padding | undefined,
  windows: {
    readonly sizes: readonly number[];
    readonly extents: readonly number[];
    readonly strides: readonly number[];
  },
): PadPair[] {
  return windows.sizes.map((size, i): PadPair => {
    if (padding === undefined || padding === "valid") return [0, 0];
    if (typeof padding === "number") return [padding, padding];
    if (padding === "same") {
      const [extent = 1, stride = 1] = [windows.extents[i], windows.strides[i]];
      const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + extent - size);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    }
    const entry = padding[i] ?? 0;
    return typeof entry === "number" ? [entry, entry] : entry;
  });
}

function conv(name: "conv1d" | "conv2d", [x, kernel]: readonly [Tensor, Tensor], options: ConvOptions): Tensor {
  const rank = spatialRank(name, x, kernel);
  const strides = perAxis(options.stride, rank, 1);
  const dilation = perAxis(options.dilation, rank, 1);
  const extents = dilation.map((by, i) => ((kernel.shape[i] ?? 1) - 1) * by + 1);
  const padding = paddingPairs(options.padding, { sizes: x.shape.slice(1, -1), extents, strides });
  return bind("conv", [x, kernel], { strides, padding, dilation, groups: options.groups ?? 1 });
}

function convTranspose(
  name: "convTranspose1d" | "convTranspose2d",
  [x, kernel]: readonly [Tensor, Tensor],
  options: ConvTransposeOptions,
): Tensor {
  const rank = spatialRank(name, x, kernel);
  const [strides, dilation] = [perAxis(options.stride, rank, 1), perAxis(options.dilation, rank, 1)];
  const extra = perAxis(options.outputPadding, rank, 0);
  const extents = dilation.map((by, i) => by * ((kernel.shape[i] ?? 1) - 1) + 1);
  const stretched = strides.map((stride, i) => (x.shape[i + 1] ?? 1) * stride);
  const padding = paddingPairs(options.padding, { sizes: stretched, extents, strides });
  const inputSpatial = stretched.map((size, i) => {
    const [before, after] = padding[i] ?? [0, 0];
    const whole = size - (strides[i] ?? 1) + (extents[i] ?? 1) + (extra[i] ?? 0);
    return options.padding === "same" ? size : whole - before - after;
  });
  // The primitive takes the kernel of the convolution that this one transposes: out and in exchanged.
  const operands = [x, swapAxes(kernel, -1, -2)];
  return bind("convInputGradient", operands, { strides, padding, dilation, groups: 1, inputSpatial });
}

function spatialRank(
  name: "conv1d" | "conv2d" | "convTranspose1d" | "convTranspose2d",
  x: Tensor,
  kernel: Tensor,
): number {
  const rank = name.endsWith("1d") ? 1 : 2;
  if (x.rank !== rank + 2 || kernel.rank !== rank + 2) {
    const [axes, kernelAxes] = rank === 1 ? ["time", "width"] : ["height, width", "height, width"];
    throw new ShapeError(
      `${name}: expected x [batch, ${axes}, channels] and kernel [${kernelAxes}, in, out], got ${typeText(x)} and ${typeText(kernel)}`,
    );
  }
  return rank;
}
