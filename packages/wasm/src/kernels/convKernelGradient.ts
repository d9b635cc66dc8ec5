/**
 * `convKernelGradient`: for each tap and pair of channels the sum over all pixels of x · dy. Both are read from the images
 * themselves, a few rows at a time so that they stay in cache while every register tile of the result passes over them.
 */
import type { Expression, FunctionBuilder, FunctionHandle, Local } from "@weft/emitter";
import { i32, minimum, ModuleBuilder, v128 } from "@weft/emitter";
import type { TensorType } from "@weft/tensor";
import { defineRun } from "../defineRun.ts";
import type { KernelFactory } from "../kernel.ts";
import type { Axis } from "./axes.ts";
import { mergeAxes, offsetOf } from "./axes.ts";
import type { ConvGeometry } from "./convGeometry.ts";
import { forwardGeometry, geometryKey, isDepthwise, product, tapCount } from "./convGeometry.ts";
import type { ConvImage } from "./convImage.ts";
import { byteStrides, imageOf, placeImage } from "./convImage.ts";
import { storeFirst } from "./convRow.ts";
import type { KernelOptions } from "./dot.ts";
import { tileAccumulators, tileStep } from "./registerTile.ts";

/** A tile is one register tile of the result: some taps (with input channels) × some output channels of one group. */
export const convKernelGradientKernel =
  ({ relaxed }: KernelOptions): KernelFactory<"convKernelGradient"> =>
  (inputs, params) => {
    const [x, dy] = inputs as readonly [TensorType, TensorType];
    const channels = x.shape.at(-1)! / params.groups;
    const kernel = [...params.kernelSpatial, channels, dy.shape.at(-1)!];
    const plan = planOf(forwardGeometry(x.shape, kernel, params), relaxed);
    return {
      key: `convKernelGradient:${geometryKey(plan.geometry)}`,
      build: () => build(plan),
      tiles: plan.groups * plan.rowTiles * plan.panels,
      scratchBytes: plan.image.bytes,
    };
  };

interface Plan {
  readonly geometry: ConvGeometry;
  readonly image: ConvImage;
  readonly relaxed: boolean;
  readonly depthwise: boolean;
  /** As computed: depthwise, lanes are groups, and there is one group of all channels. */
  readonly groups: number;
  readonly channels: number;
  /** Rows of the result in a group: taps × input channels. */
  readonly rows: number;
  readonly tileRows: number;
  readonly rowTiles: number;
  /** Channels per tile, and tiles side by side. */
  readonly width: number;
  readonly panels: number;
  /** Rows of pixels (along the last axis but one) in a band. */
  readonly bandRows: number;
}

/** dy of a band of pixels should leave room in a 32 KiB cache. */
const bandBytes = 16384;

function planOf(geometry: ConvGeometry, relaxed: boolean): Plan {
  const { axes, channelsIn, channelsOut } = geometry;
  const depthwise = isDepthwise(geometry);
  const rows = tapCount(geometry) * channelsIn;
  // Four rows, or five where that wastes less: nine taps of one channel are 5 + 4.
  const tileRows = Math.ceil(rows / 5) * 5 < Math.ceil(rows / 4) * 4 ? 5 : 4;
  const width = depthwise ? 4 : 8;
  const [groups, channels] = depthwise ? [1, geometry.groups] : [geometry.groups, channelsOut];
  const rowBytes = 4 * axes.at(-1)!.result * geometry.groups * channelsOut;
  return {
    geometry,
    image: imageOf(geometry, axes[0]!.result),
    relaxed,
    depthwise,
    groups,
    channels,
    rows,
    tileRows,
    rowTiles: Math.ceil(rows / tileRows),
    width,
    panels: Math.ceil(channels / width),
    bandRows: Math.max(1, Math.floor(bandBytes / rowBytes)),
  };
}

function build(plan: Plan): ModuleBuilder {
  const { geometry, image, groups, channels, width } = plan;
  const { batch, axes, channelsIn } = geometry;
  const module = new ModuleBuilder();
  const whole = channels >= width ? defineBand(module, plan, width) : undefined;
  const partial = channels % width > 0 ? defineBand(module, plan, channels % width) : undefined;
  const imageBytes = 4 * product(axes.map(({ source }) => source)) * geometry.groups * channelsIn;
  const dyStrides = byteStrides(
    axes.map(({ result }) => result),
    4 * groups * channels,
  );
  const rowAxis = axes.length - 2;

  return defineRun(module, 3, (f, [from, to, scratch, x, dy, result]) => {
    if (batch * product(axes.map((axis) => axis.result)) === 0) {
      const bytes = 4 * plan.rows * groups * channels;
      f.if(i32.eqz(from), () => f.memoryFill(result, 0, bytes));
      return;
    }
    const [imageAt, first, count] = [f.i32(0), f.i32(1), f.i32(0)];
    const [bandImage, bandDy] = f.zeros(2);
    const runTiles = () =>
      f.for({ from, to }, (tile) => {
        callBand(f, plan, { whole, partial, tile, image: bandImage, dy: bandDy, result, rest: [count, first] });
      });
    const walk = (index: number, [image_, dy_]: readonly [Local<"i32">, Local<"i32">]): void => {
      const axis = axes[index]!;
      const [imageRow, dyRow] = [f.local("i32", image_), f.local("i32", dy_)];
      const step = index === rowAxis ? plan.bandRows : 1;
      f.for({ from: 0, to: axis.result, step }, (row) => {
        if (index === rowAxis) {
          f.set(count, minimum(i32.sub(axis.result, row), step));
          f.set(bandImage, imageRow);
          f.set(bandDy, dyRow);
          runTiles();
          f.set(first, i32.const(0));
        } else walk(index + 1, [imageRow, dyRow]);
        f.increment(imageRow, step * axis.stride * image.strides[index]!);
        f.increment(dyRow, step * dyStrides[index]!);
      });
    };
    f.for({ from: 0, to: batch }, () => {
      f.set(imageAt, placeImage(f, { geometry, image }, { from: x, scratch, row: i32.const(0) }));
      walk(0, [imageAt, dy]);
      f.increment(x, imageBytes);
      f.increment(dy, axes[0]!.result * dyStrides[0]!);
    });
  });
}

interface BandCall {
  readonly whole: FunctionHandle | undefined;
  readonly partial: FunctionHandle | undefined;
  readonly tile: Local<"i32">;
  readonly image: Local<"i32">;
  readonly dy: Local<"i32">;
  readonly result: Local<"i32">;
  readonly rest: readonly Expression<"i32">[];
}

/** Adds one band of pixels to one tile. */
function callBand(f: FunctionBuilder, plan: Plan, { whole, partial, tile, rest, ...at }: BandCall): void {
  const { geometry, depthwise, channels, panels, width, tileRows } = plan;
  const panel = f.local("i32", i32.remU(tile, panels));
  const rowTile = f.local("i32", i32.remU(i32.divU(tile, panels), plan.rowTiles));
  const group = f.local("i32", i32.divU(tile, panels * plan.rowTiles));
  const channel = f.local("i32", i32.mul(i32.add(i32.mul(group, channels), i32.mul(panel, width)), 4));
  const row = f.local("i32", i32.mul(rowTile, tileRows));
  const image = i32.add(at.image, depthwise ? channel : i32.mul(group, 4 * geometry.channelsIn));
  const result = i32.add(at.result, i32.add(i32.mul(row, 4 * plan.groups * channels), channel));
  const args = [image, i32.add(at.dy, channel), result, row, ...rest];
  const call = (target: FunctionHandle | undefined) => {
    if (target) f.call(target, ...args);
  };
  if (!whole || !partial) {
    call(whole ?? partial);
    return;
  }
  f.if(
    i32.eq(panel, panels - 1),
    () => call(partial),
    () => call(whole),
  );
}

const pixelUnroll = 4;

/** Defines band(image, dy, result, row, count, first) for a tile of `width` channels whose first row is `row`. */
function defineBand(module: ModuleBuilder, plan: Plan, width: number): FunctionHandle {
  const { geometry, image, rows, tileRows, relaxed, depthwise, groups, channels } = plan;
  const vectors = Math.ceil(width / 4);
  const shape = { rows: tileRows, vectors, relaxed };
  const [height, last] = [geometry.axes.at(-2)!, geometry.axes.at(-1)!];
  const imageStep = last.stride * image.strides.at(-1)!;
  const rowStep = height.stride * image.strides.at(-2)! - last.result * imageStep;
  const channelBytes = 4 * groups * channels;
  const taps: Axis[] = geometry.axes.map((axis, i) => ({
    size: axis.taps,
    stride: (axis.dilation * image.strides[i]!) / 4,
  }));
  const resultRows = mergeAxes([...taps, { size: geometry.channelsIn, stride: 1 }]);

  return module.function(["i32", "i32", "i32", "i32", "i32", "i32"], (f, [imageAt, dy, result, row, count, first]) => {
    const sums = tileAccumulators(f, shape);
    const index = f.local("i32");
    const pointers = sums.map((_, r) => {
      // Rows past the end repeat the last one, and are not stored.
      f.set(index, minimum(i32.add(row, r), rows - 1));
      return f.local("i32", i32.add(imageAt, offsetOf(resultRows, index)));
    });
    f.if(i32.eqz(first), () =>
      sums.forEach((tileRow, r) =>
        f.if(i32.ltS(i32.add(row, r), rows), () =>
          tileRow.forEach((sum, j) => f.set(sum, v128.load(result, r * channelBytes + 16 * j))),
        ),
      ),
    );
    const pixels = (number: number) => {
      for (let u = 0; u < number; u++) {
        tileStep(f, shape, {
          sums,
          left: (r) => (depthwise ? v128.load : v128.load32Splat)(pointers[r]!, u * imageStep),
          right: (j) => v128.load(dy, u * channelBytes + 16 * j),
        });
      }
      for (const pointer of pointers) f.increment(pointer, number * imageStep);
      f.increment(dy, number * channelBytes);
    };
    f.for({ from: 0, to: count }, () => {
      f.for({ from: 0, to: Math.floor(last.result / pixelUnroll) }, () => pixels(pixelUnroll));
      if (last.result % pixelUnroll > 0) pixels(last.result % pixelUnroll);
      for (const pointer of pointers) f.increment(pointer, rowStep);
    });
    sums.forEach((tileRow, r) =>
      f.if(i32.ltS(i32.add(row, r), rows), () =>
        tileRow.forEach((sum, j) => {
          storeFirst(f, { address: result, offset: r * channelBytes + 16 * j, value: sum, count: width - 4 * j });
        }),
      ),
    );
  });
}
