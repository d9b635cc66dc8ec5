/** Convolution layers over sequences and images. */
import type { Padding, Tensor } from "@weft/tensor";
import { ShapeError, conv1d as convolve1d, conv2d as convolve2d, typeText } from "@weft/tensor";
import { ModelError } from "./errors.ts";
import type { Initializer } from "./initializers.ts";
import { glorotUniform, zeros } from "./initializers.ts";
import type { Layer } from "./layer.ts";
import { define } from "./layer.ts";
import { checkCount, checkOptions } from "./settings.ts";

/** One number for all spatial axes, or one for each. */
export type PerAxis = number | readonly number[];

export interface ConvOptions {
  /** Number of output channels. */
  readonly features: number;
  /** Size of the kernel: one number for all spatial axes, or [height, width]. */
  readonly kernel: PerAxis;
  /** Default 1. */
  readonly stride?: PerAxis;
  /** `valid` (the default: none), `same` (output of size ceil(input / stride)), or given numbers. */
  readonly padding?: Padding;
  /** Distance between kernel cells; default 1. */
  readonly dilation?: PerAxis;
  /** Channels fall into this many groups that do not see each other; default 1. */
  readonly groups?: number;
  /** Default true. */
  readonly useBias?: boolean;
  /** Default `glorotUniform()`. */
  readonly kernelInitializer?: Initializer;
}

/**
 * x [batch, height, width, in] → [batch, height', width', features]. Parameters: `kernel` [height, width, in / groups, features],
 * `bias` [features], which starts at zero.
 */
export function conv2d(options: ConvOptions): Layer {
  return conv("conv2d", options);
}

/** x [batch, time, in] → [batch, time', features]. Parameters: `kernel` [width, in / groups, features], `bias` [features]. */
export function conv1d(options: ConvOptions): Layer {
  return conv("conv1d", options);
}

export interface DepthwiseConvOptions extends Omit<ConvOptions, "features" | "groups"> {
  /** Output channels made of each input channel; default 1. */
  readonly multiplier?: number;
}

/**
 * Each channel by itself: x [batch, height, width, in] → [batch, height', width', in · multiplier]. Parameters: `kernel`
 * [height, width, 1, in · multiplier], `bias`.
 */
export function depthwiseConv2d({ multiplier = 1, ...options }: DepthwiseConvOptions): Layer {
  checkCount("depthwiseConv2d", "multiplier", multiplier);
  const sizes = (channels: number) => ({ features: channels * multiplier, groups: channels });
  return convOf("depthwiseConv2d", options, { own: ["multiplier"], sizesOf: sizes });
}

/** How sizes come from a layer's own options. */
interface SizesOf {
  readonly own: readonly string[];
  readonly sizesOf: (channels: number) => { readonly features: number; readonly groups: number };
}

/** What all convolutions know. */
export const spatialOptions = ["kernel", "stride", "padding", "dilation", "useBias", "kernelInitializer"];

type Kind = "conv1d" | "conv2d" | "depthwiseConv2d";

function conv(kind: Kind, { features, groups = 1, ...options }: ConvOptions): Layer {
  checkCount(kind, "features", features);
  checkCount(kind, "groups", groups);
  if (features % groups !== 0) {
    throw new ModelError(`${kind}: ${features} features do not divide into ${groups} groups; use a multiple`);
  }
  return convOf(kind, options, { own: ["features", "groups"], sizesOf: () => ({ features, groups }) });
}

function convOf(kind: Kind, options: Omit<ConvOptions, "features" | "groups">, { own, sizesOf }: SizesOf): Layer {
  checkOptions(kind, options, [...own, ...spatialOptions]);
  const { kernel, stride = 1, padding = "valid", dilation = 1 } = options;
  const { useBias = true, kernelInitializer = glorotUniform() } = options;
  const rank = kind === "conv1d" ? 1 : 2;
  for (const [setting, value] of Object.entries({ kernel, stride, dilation })) checkCount(kind, setting, value);
  return define(
    ({ parameter }) =>
      (x) => {
        expectImage(kind, x, rank);
        const channels = x.shape.at(-1) ?? 0;
        const { features, groups } = sizesOf(channels);
        if (channels % groups !== 0) {
          throw new ShapeError(
            `${kind}: ${typeText(x)} has ${channels} channels, which do not divide into ${groups} groups`,
          );
        }
        const weights = parameter("kernel", [...perAxis(kernel, rank), channels / groups, features], kernelInitializer);
        const convolve = rank === 1 ? convolve1d : convolve2d;
        const y = convolve(x, weights, { stride, padding, dilation, groups });
        return useBias ? y.add(parameter("bias", [features], zeros())) : y;
      },
    { kind },
  );
}

/** @throws {ShapeError} unless x has a batch axis, `rank` spatial ones and channels */
export function expectImage(kind: string, x: Tensor, rank: 1 | 2): void {
  if (x.rank === rank + 2) return;
  const remedy = x.rank === rank + 1 ? "add a batch or a channel axis" : "reshape it";
  const axes = rank === 1 ? "time" : "height, width";
  throw new ShapeError(`${kind}: expected [batch, ${axes}, channels], got ${typeText(x)}; ${remedy}`);
}

/** @throws {ModelError} when a list has not one entry for each axis */
export function perAxis(value: PerAxis, rank: number): readonly number[] {
  if (typeof value === "number") return Array.from({ length: rank }, () => value);
  if (value.length === rank) return value;
  throw new ModelError(`expected one number or ${rank}, one for each spatial axis, got [${value.join(", ")}]`);
}
