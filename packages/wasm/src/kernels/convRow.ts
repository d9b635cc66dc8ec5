/** One row of a convolution's result for one panel of channels: a register tile of pixels × channels, summed over all taps. */
import type { Expression, FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from "@weft/emitter";
import { f32x4, i32, minimum, v128 } from "@weft/emitter";
import type { ConvGeometry } from "./convGeometry.ts";
import { isDepthwise } from "./convGeometry.ts";
import type { ConvImage } from "./convImage.ts";
import { tileAccumulators, tileStep } from "./registerTile.ts";

export interface ConvRow {
  readonly geometry: ConvGeometry;
  readonly image: ConvImage;
  /** Channels computed. */
  readonly channels: number;
  /** Channels in a packed panel of weights, at least as many. */
  readonly width: number;
  readonly relaxed: boolean;
}

/** A tap loop: how often, and by how many bytes the image advances. */
export interface TapLoop {
  readonly count: number;
  readonly step: number;
}

const pixelsPerTile = 4;
const unrollLimit = 40;

/** Defines row(image, weights, result). Weights are one panel: for each tap and input channel, the panel's channels. */
export function defineRow(module: ModuleBuilder, row: ConvRow): FunctionHandle {
  const { geometry, image, channels, width, relaxed } = row;
  const last = geometry.axes.at(-1)!;
  const depthwise = isDepthwise(geometry);
  const vectors = Math.ceil(channels / 4);
  const shape = { rows: Math.min(pixelsPerTile, last.result), vectors, relaxed };
  const pixelStep = last.stride * image.strides.at(-1)!;
  const resultStep = 4 * geometry.groups * geometry.channelsOut;
  const taps = tapLoops(geometry, image);
  return module.function(["i32", "i32", "i32"], (f, [imageAt, weightsAt, resultAt]) => {
    const sums = tileAccumulators(f, shape);
    const pixel = f.local("i32");
    const [base, weights, target] = [f.local("i32"), f.local("i32"), f.local("i32")];
    const step = (from: Local<"i32">, offset: number, weightIndex: number) =>
      tileStep(f, shape, {
        sums,
        left: (r) => (depthwise ? v128.load : v128.load32Splat)(from, r * pixelStep + offset),
        right: (j) => v128.load(weights, 4 * weightIndex * width + 16 * j),
      });
    f.for({ from: 0, to: last.result, step: shape.rows }, (next) => {
      // The last tile is moved back to end with the row: some pixels are computed twice, with the same result.
      f.set(pixel, minimum(next, last.result - shape.rows));
      f.set(base, i32.add(imageAt, i32.mul(pixel, pixelStep)));
      f.set(target, i32.add(resultAt, i32.mul(pixel, resultStep)));
      f.set(weights, weightsAt);
      for (const sum of sums.flat()) f.set(sum, f32x4.splat(0));
      walkTaps(f, taps, { base, weights, weightBytes: 4 * width, step });
      sums.forEach((tileRow, r) =>
        tileRow.forEach((sum, j) => {
          const offset = r * resultStep + 16 * j;
          storeFirst(f, { address: target, offset, value: sum, count: channels - 4 * j });
        }),
      );
    });
  });
}

/** Stores as many lanes as `count` says, all four if it says more. */
export function storeFirst(
  f: FunctionBuilder,
  to: {
    readonly address: Expression<"i32">;
    readonly offset: number;
    readonly value: Expression<"v128">;
    readonly count: number;
  },
): void {
  if (to.count >= 4) f.storeV128(to.address, to.value, to.offset);
  else
    for (let lane = 0; lane < to.count; lane++) {
      f.storeLane32(to.address, to.value, { lane, offset: to.offset + 4 * lane });
    }
}

/** The loops over taps and channels, outermost first; neighbours in memory are one loop. */
function tapLoops({ axes, groups, channelsIn }: ConvGeometry, { strides }: ConvImage): readonly TapLoop[] {
  const loops = [
    ...axes.map(({ taps, dilation }, i): TapLoop => ({ count: taps, step: dilation * strides[i]! })),
    { count: channelsIn, step: 4 },
  ].filter(({ count }) => count !== 1);
  const merged: TapLoop[] = [];
  for (const loop of loops) {
    const outer = merged.at(-1);
    if (groups === 1 && outer?.step === loop.count * loop.step) {
      merged[merged.length - 1] = { count: outer.count * loop.count, step: loop.step };
    } else merged.push(loop);
  }
  return merged;
}

export interface TapWalk {
  readonly base: Local<"i32">;
  /** Advanced past the weights that were used. */
  readonly weights: Local<"i32">;
  readonly weightBytes: number;
  readonly step: (from: Local<"i32">, offset: number, weightIndex: number) => void;
}

/** Visits every tap in order: unrolled with constant offsets if there are few, else in loops. */
export function walkTaps(f: FunctionBuilder, loops: readonly TapLoop[], walk: TapWalk): void {
  const offsets = loops.reduce<number[]>(
    (starts, { count, step }) => starts.flatMap((start) => Array.from({ length: count }, (_, i) => start + i * step)),
    [0],
  );
  if (offsets.length <= unrollLimit) {
    offsets.forEach((offset, index) => walk.step(walk.base, offset, index));
    f.increment(walk.weights, offsets.length * walk.weightBytes);
    return;
  }
  const [loop, ...inner] = loops as [TapLoop, ...TapLoop[]];
  const from = f.local("i32", walk.base);
  const turns = inner.length === 0 ? Math.floor(loop.count / 4) : loop.count;
  f.for({ from: 0, to: turns }, () => {
    if (inner.length === 0) walkTaps(f, [{ count: 4, step: loop.step }], { ...walk, base: from });
    else walkTaps(f, inner, { ...walk, base: from });
    f.increment(from, inner.length === 0 ? 4 * loop.step : loop.step);
  });
  const rest = loop.count % 4;
  if (inner.length === 0 && rest > 0) walkTaps(f, [{ count: rest, step: loop.step }], { ...walk, base: from });
}
