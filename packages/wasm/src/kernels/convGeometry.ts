/**
 * Convolutions in one form. The forward pass and its transpose in x are both a walk of taps over an image: the transpose
 * reads dy with zeros between its pixels (where the stride was) and around it, and the kernel back to front.
 */
import type { ConvParams, Shape } from "@weft/tensor";

/** One spatial axis: result o reads image position o · stride + tap · dilation − low, of an image with zeros around it. */
export interface ConvAxis {
  /** Size of the image in memory. */
  readonly source: number;
  readonly result: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  /** Zeros before the image; negative where its first pixels are never read. */
  readonly low: number;
  /** Distance of neighbouring image pixels in the padded image. */
  readonly spacing: number;
}

export interface ConvGeometry {
  readonly batch: number;
  /** Outermost first, at least two: axes of size 1 are put in front where there are fewer. */
  readonly axes: readonly ConvAxis[];
  readonly groups: number;
  /** Channels of the image and of the result, per group. */
  readonly channelsIn: number;
  readonly channelsOut: number;
}

/** `conv`, also the geometry of `convKernelGradient`. */
export function forwardGeometry(x: Shape, kernel: Shape, params: ConvParams): ConvGeometry {
  const axes = params.strides.map((stride, i): ConvAxis => {
    const [low, high] = params.padding[i] ?? [0, 0];
    const [source, taps, dilation] = [x[i + 1]!, kernel[i]!, params.dilation[i]!];
    const result = Math.floor((source + low + high - (taps - 1) * dilation - 1) / stride) + 1;
    return { source, result, taps, stride, dilation, low, spacing: 1 };
  });
  return {
    batch: x[0]!,
    axes: atLeastTwo(axes),
    groups: params.groups,
    channelsIn: x.at(-1)! / params.groups,
    channelsOut: kernel.at(-1)! / params.groups,
  };
}

/** `convInputGradient` as a convolution of dy; taps run backwards. */
export function transposedGeometry(
  dy: Shape,
  kernel: Shape,
  params: ConvParams & { readonly inputSpatial: readonly number[] },
): ConvGeometry {
  const axes = params.strides.map((stride, i): ConvAxis => {
    const [taps, dilation] = [kernel[i]!, params.dilation[i]!];
    const low = (taps - 1) * dilation - params.padding[i]![0];
    return { source: dy[i + 1]!, result: params.inputSpatial[i]!, taps, stride: 1, dilation, low, spacing: stride };
  });
  return {
    batch: dy[0]!,
    axes: atLeastTwo(axes),
    groups: params.groups,
    channelsIn: kernel.at(-1)! / params.groups,
    channelsOut: kernel.at(-2)!,
  };
}

function atLeastTwo(axes: readonly ConvAxis[]): ConvAxis[] {
  const single: ConvAxis = { source: 1, result: 1, taps: 1, stride: 1, dilation: 1, low: 0, spacing: 1 };
  return [...Array<ConvAxis>(Math.max(0, 2 - axes.length)).fill(single), ...axes];
}

/** One channel in, one out, per group: lanes are groups then. */
export const isDepthwise = ({ groups, channelsIn, channelsOut }: ConvGeometry): boolean =>
  groups > 1 && channelsIn === 1 && channelsOut === 1;

export const product = (sizes: readonly number[]): number => sizes.reduce((total, size) => total * size, 1);

export const tapCount = ({ axes }: ConvGeometry): number => product(axes.map(({ taps }) => taps));

export const geometryKey = ({ batch, axes, groups, channelsIn, channelsOut }: ConvGeometry): string =>
  [batch, groups, channelsIn, channelsOut, ...axes.map((axis) => Object.values(axis).join("_"))].join(",");
