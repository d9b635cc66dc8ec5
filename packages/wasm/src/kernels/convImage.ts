/** The image a convolution reads: where it lies, or, when zeros belong around or between its pixels, a copy in scratch. */
import type { Expression, FunctionBuilder, Local } from "@weft/emitter";
import { i32 } from "@weft/emitter";
import type { ConvAxis, ConvGeometry } from "./convGeometry.ts";
import { product } from "./convGeometry.ts";

/** The part of an image from which `rows` rows (along the outermost axis) of the result are computed. */
export interface ConvImage {
  readonly copied: boolean;
  /** Size of each axis as laid out. */
  readonly sizes: readonly number[];
  /** Bytes between neighbours along each spatial axis. */
  readonly strides: readonly number[];
  readonly bytes: number;
}

export function imageOf({ axes, groups, channelsIn }: ConvGeometry, rows: number): ConvImage {
  const extents = axes.map((axis, i) => extent(axis, i === 0 ? rows : axis.result));
  const copied = axes.some((axis) => axis.low !== 0 || axis.spacing !== 1 || extent(axis, axis.result) > axis.source);
  const sizes = copied ? extents : axes.map(({ source }) => source);
  const pixelBytes = 4 * groups * channelsIn;
  return { copied, sizes, strides: byteStrides(sizes, pixelBytes), bytes: copied ? product(sizes) * pixelBytes : 0 };
}

const extent = ({ stride, taps, dilation }: ConvAxis, results: number) =>
  (results - 1) * stride + (taps - 1) * dilation + 1;

/** Bytes between neighbours along each axis. */
export const byteStrides = (sizes: readonly number[], pixelBytes: number): number[] =>
  sizes.map((_, i) => product(sizes.slice(i + 1)) * pixelBytes);

/**
 * The address from which result row `row` (along the outermost axis) is computed: within the image `from`, or after
 * copying the rows it needs to `scratch`.
 */
export function placeImage(
  f: FunctionBuilder,
  { geometry, image }: { readonly geometry: ConvGeometry; readonly image: ConvImage },
  at: { readonly from: Local<"i32">; readonly scratch: Local<"i32">; readonly row: Expression<"i32"> },
): Expression<"i32"> {
  const { axes, groups, channelsIn } = geometry;
  const firstRow = f.local("i32", i32.mul(at.row, axes[0]!.stride));
  if (!image.copied) return i32.add(at.from, i32.mul(firstRow, image.strides[0]!));
  const pixelBytes = 4 * groups * channelsIn;
  const sourceStrides = byteStrides(
    axes.map(({ source }) => source),
    pixelBytes,
  );
  f.memoryFill(at.scratch, 0, image.bytes);
  const copyAxis = (index: number, from: Local<"i32">, to: Local<"i32">): void => {
    const axis = axes[index]!;
    if (index === axes.length - 1 && axis.spacing === 1) {
      const first = Math.max(0, -axis.low);
      const count = Math.min(axis.source, image.sizes[index]! - axis.low) - first;
      const target = i32.add(to, (first + axis.low) * pixelBytes);
      if (count > 0) f.memoryCopy(target, i32.add(from, first * pixelBytes), count * pixelBytes);
      return;
    }
    const place = f.local("i32");
    f.for({ from: 0, to: axis.source }, (position) => {
      const shifted = i32.add(i32.mul(position, axis.spacing), axis.low);
      f.set(place, index === 0 ? i32.sub(shifted, firstRow) : shifted);
      f.if(i32.ltU(place, image.sizes[index]!), () => {
        const source = f.local("i32", i32.add(from, i32.mul(position, sourceStrides[index]!)));
        const target = f.local("i32", i32.add(to, i32.mul(place, image.strides[index]!)));
        if (index === axes.length - 1) f.memoryCopy(target, source, pixelBytes);
        else copyAxis(index + 1, source, target);
      });
    });
  };
  copyAxis(0, at.from, at.scratch);
  return at.scratch;
}
