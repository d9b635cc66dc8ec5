/**
 * Convolutions that go to native BLAS: one product for each tap, over the image itself. In an image with its zeros around it,
 * rows of pixels follow one another, so what a tap reads for all results is one matrix, pixels × channels, that begins at the
 * tap. Results come out as wide as the padded image; what lies past their own width is computed in vain and left behind.
 */
import type { KernelSequence } from "../kernelSequence.ts";
import { SequenceBuilder } from "../kernelSequence.ts";
import type { Product } from "../native/products.ts";
import type { ConvAxis, ConvGeometry } from "./convGeometry.ts";
import { geometryKey } from "./convGeometry.ts";
import type { NativeOptions } from "./dotNative.ts";
import { padImages, trimImages } from "./padImages.ts";

/** How the taps of a kernel lie in memory, compared with the order in which they are walked. */
export interface TapLayout {
  readonly reversed: boolean;
  /** A tap lies as result channels × input channels. */
  readonly transposed: boolean;
}

/** `conv` and its transpose, or undefined when the shape does not suit. */
export function nativeConvolution(
  geometry: ConvGeometry,
  kernelTaps: TapLayout,
  options: NativeOptions,
): KernelSequence | undefined {
  const walk = tapWalk(geometry, options);
  if (!walk) return undefined;
  const { batch, channelsIn, channelsOut } = geometry;
  const { images, results, pixels, taps } = walk;
  const sequence = new SequenceBuilder(3);
  const image = padImages(sequence, 0, images);
  const isWide = results.size[1] > results.source[1];
  const wide = isWide ? sequence.temporary(4 * batch * results.size[0] * results.size[1] * channelsOut) : 2;
  const products = Array.from({ length: batch }, (_, i) =>
    taps.map((tap, t): Product => {
      const kernelTap = kernelTaps.reversed ? taps.length - 1 - t : t;
      const stride = kernelTaps.transposed ? channelsIn : channelsOut;
      return {
        m: pixels,
        n: channelsOut,
        k: channelsIn,
        left: { ...place(0, i * pixelsOf(images.size) + tap, channelsIn), transposed: false },
        right: {
          pointer: 1,
          offset: 4 * kernelTap * channelsIn * channelsOut,
          stride,
          transposed: kernelTaps.transposed,
        },
        out: place(2, i * pixelsOf(results.size), channelsOut),
        accumulate: t > 0,
      };
    }),
  );
  const key = `convNative:${geometryKey(geometry)}:${Object.values(kernelTaps).join()}`;
  sequence.add({ key, tiles: batch, scratchBytes: 0, products }, [image, 1, wide]);
  if (isWide) trimImages(sequence, [wide, 2], results);
  return sequence;
}

/** `convKernelGradient`: each tap's is one product per image, x over its pixels times the gradient of the results. */
export function nativeKernelGradient(geometry: ConvGeometry, options: NativeOptions): KernelSequence | undefined {
  const walk = tapWalk(geometry, options);
  if (!walk) return undefined;
  const { batch, channelsIn, channelsOut } = geometry;
  const { images, results, pixels, taps } = walk;
  const sequence = new SequenceBuilder(3);
  const image = padImages(sequence, 0, images);
  const gradient = padImages(sequence, 1, results); // nothing flows back from past the right edge
  const products = taps.map((tap, t) =>
    Array.from({ length: batch }, (_, i): Product => ({
      m: channelsIn,
      n: channelsOut,
      k: pixels,
      left: { ...place(0, i * pixelsOf(images.size) + tap, channelsIn), transposed: true },
      right: { ...place(1, i * pixelsOf(results.size), channelsOut), transposed: false },
      out: place(2, t * channelsIn, channelsOut),
      accumulate: i > 0,
    })),
  );
  const key = `convKernelGradientNative:${geometryKey(geometry)}`;
  sequence.add({ key, tiles: taps.length, scratchBytes: 0, products }, [image, gradient, 2]);
  return sequence;
}

const place = (pointer: number, row: number, columns: number) => ({
  pointer,
  offset: 4 * row * columns,
  stride: columns,
});

const pixelsOf = ([rows, columns]: readonly [number, number]) => rows * columns;

/** Multiplications in one product below which the WebAssembly kernels are as fast. */
const fewestMultiplications = 2 ** 16;
const fewestChannels = 8;
/** Products in one convolution beyond which the list of them would grow long. */
const mostProducts = 16384;

/** How taps walk over images whose pixels follow one another; undefined where they do not step from each to the next. */
function tapWalk({ batch, axes, groups, channelsIn, channelsOut }: ConvGeometry, { all = false }: NativeOptions) {
  const [rows, columns] = axes as readonly [ConvAxis, ConvAxis];
  if (axes.length > 2 || groups > 1 || axes.some(({ stride, spacing }) => stride * spacing > 1)) return undefined;
  const reach = ({ result, taps, dilation }: ConvAxis) => result + (taps - 1) * dilation;
  const size = [reach(rows), reach(columns)] as const;
  const pixels = (rows.result - 1) * size[1] + columns.result;
  const taps = Array.from({ length: rows.taps * columns.taps }, (_, t) => {
    return Math.floor(t / columns.taps) * rows.dilation * size[1] + (t % columns.taps) * columns.dilation;
  });
  const multiplications = pixels * channelsIn * channelsOut;
  const isSmall = multiplications < fewestMultiplications || Math.min(channelsIn, channelsOut) < fewestChannels;
  if ((isSmall && !all) || multiplications <= 0) return undefined;
  if (batch === 0 || batch * taps.length > mostProducts) return undefined;
  return {
    images: {
      batch,
      channels: channelsIn,
      source: [rows.source, columns.source] as const,
      low: [rows.low, columns.low] as const,
      size,
    },
    results: {
      batch,
      channels: channelsOut,
      source: [rows.result, columns.result] as const,
      low: [0, 0] as const,
      size: [rows.result, rows.result === 1 ? columns.result : size[1]] as const,
    },
    pixels,
    taps,
  };
}
