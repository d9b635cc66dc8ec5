/** Windows in one form: a batch of images, whose windowed axes are walked, with lanes (channels) side by side. */
import type { Shape, WindowParams } from "@weft/tensor";
import { product } from "./convGeometry.ts";

/** One axis between the first and the last windowed one. */
export interface WindowAxis {
  readonly source: number;
  readonly result: number;
  readonly window: number;
  readonly stride: number;
  /** Padding before the axis. */
  readonly low: number;
  /** Bytes between neighbours, in the image and in the array of windows. */
  readonly sourceBytes: number;
  readonly resultBytes: number;
}

export interface WindowGeometry {
  readonly batch: number;
  readonly axes: readonly WindowAxis[];
  readonly lanes: number;
  /** Bytes of one image, and of its windows. */
  readonly imageBytes: number;
  readonly windowsBytes: number;
  /** True if every window lies wholly inside its image. */
  readonly inside: boolean;
  /** True if no element is in two windows. */
  readonly disjoint: boolean;
  /** True if every element is in a window. */
  readonly covering: boolean;
}

export function windowGeometry(x: Shape, { window, strides, padding }: WindowParams): WindowGeometry {
  const results = x.map((size, i) => {
    const [low, high] = padding[i]!;
    return Math.floor((size + low + high - window[i]!) / strides[i]!) + 1;
  });
  const windowed = x.map((size, i) => window[i] !== 1 || strides[i] !== 1 || results[i] !== size);
  const first = Math.max(0, windowed.indexOf(true));
  const end = Math.max(first + 1, windowed.lastIndexOf(true) + 1);
  const axes = x.slice(first, end).map((source, j): WindowAxis => {
    const i = first + j;
    return {
      source,
      result: results[i]!,
      window: window[i]!,
      stride: strides[i]!,
      low: padding[i]![0],
      sourceBytes: 4 * product(x.slice(i + 1)),
      resultBytes: 4 * product(results.slice(i + 1)),
    };
  });
  if (axes.length === 0) {
    axes.push({ source: 1, result: 1, window: 1, stride: 1, low: 0, sourceBytes: 4, resultBytes: 4 });
  }
  const lastEnd = (axis: WindowAxis) => (axis.result - 1) * axis.stride - axis.low + axis.window;
  return {
    batch: product(x.slice(0, first)),
    axes,
    lanes: product(x.slice(end)),
    imageBytes: 4 * product(x.slice(first)),
    windowsBytes: 4 * product(results.slice(first)),
    inside: axes.every((axis) => axis.low === 0 && lastEnd(axis) <= axis.source),
    disjoint: axes.every(({ window: size, stride }) => size <= stride),
    covering: axes.every((axis) => axis.stride <= axis.window && lastEnd(axis) >= axis.source),
  };
}

export const windowKey = ({ batch, axes, lanes }: WindowGeometry): string =>
  [batch, lanes, ...axes.map((axis) => Object.values(axis).join("_"))].join(",");
