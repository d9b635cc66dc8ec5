/**
 * `convInputGradient` the other way round: every pixel of dy adds its share to the pixels it came from. No product with a
 * zero is made, where walking dy as an image (`conv.ts`) meets many: with strides, or a kernel not small beside the image.
 */
import type { FunctionBuilder, FunctionHandle, Local } from "@weft/emitter";
import { i32, ModuleBuilder, v128 } from "@weft/emitter";
import { defineRun } from "../defineRun.ts";
import type { KernelSource } from "../kernel.ts";
import type { ConvAxis, ConvGeometry } from "./convGeometry.ts";
import { geometryKey, product } from "./convGeometry.ts";
import { byteStrides } from "./convImage.ts";
import { storeFirst, walkTaps } from "./convRow.ts";
import type { WeightLayout, WeightPanels } from "./convWeights.ts";
import { definePackWeights, weightPanels } from "./convWeights.ts";
import type { KernelOptions } from "./dot.ts";
import { tileAccumulators, tileStep } from "./registerTile.ts";

/**
 * What scattering costs beside walking dy as an image, by the products made and the sums loaded and stored between them.
 * Pixels that the forward convolution cut away have no place in the scratch image.
 */
export function scatterCost({ axes, channelsIn }: ConvGeometry): number {
  if (axes.some((axis) => paddingOf(axis) < 0)) return Infinity;
  const share = product(axes.map(({ source, result }) => source / result));
  return share * (1 + 8 / channelsIn);
}

/** A tile is one image and one panel of its channels, summed in scratch with room around for every tap. */
export function scatterConvolution(geometry: ConvGeometry, layout: WeightLayout, options: KernelOptions): KernelSource {
  const panels = weightPanels(geometry);
  const scatter: Scatter = { geometry, panels, relaxed: options.relaxed, extents: geometry.axes.map(extent) };
  return {
    key: `convScatter:${geometryKey(geometry)}`,
    build: () => build(scatter, layout),
    tiles: geometry.batch * panels.groups * panels.panelsPerGroup,
    scratchBytes: panels.bytes + 4 * panels.width * product(scatter.extents),
  };
}

interface Scatter {
  readonly geometry: ConvGeometry;
  readonly panels: WeightPanels;
  readonly relaxed: boolean;
  /** Size of each axis in scratch. */
  readonly extents: readonly number[];
}

/** Zeros that the forward convolution put before the axis. */
const paddingOf = ({ taps, dilation, low }: ConvAxis) => (taps - 1) * dilation - low;

/** Room for what every tap adds, and for the pixels that none reaches. */
const extent = (axis: ConvAxis) =>
  Math.max((axis.source - 1) * axis.spacing + (axis.taps - 1) * axis.dilation + 1, paddingOf(axis) + axis.result);

function build(scatter: Scatter, layout: WeightLayout): ModuleBuilder {
  const { geometry, panels, extents } = scatter;
  const { axes, groups, channelsIn } = geometry;
  const { width, channels, panelsPerGroup } = panels;
  const module = new ModuleBuilder();
  const pack = definePackWeights(module, geometry, layout);
  const row = defineRow(module, scatter);
  const dyPixel = 4 * groups * channelsIn;
  const pixel = 4 * groups * channels;
  const [dyBytes, imageBytes] = [
    dyPixel * product(axes.map(({ source }) => source)),
    pixel * product(axes.map(({ result }) => result)),
  ];

  return defineRun(module, 3, (f, [from, to, scratch, dy, kernel, dx]) => {
    f.call(pack, scratch, kernel);
    const sums = f.i32(i32.add(scratch, panels.bytes));
    const [number, group, panel, weights] = f.zeros(4);
    const [dyAt, dxAt, count] = f.zeros(3);
    f.for({ from, to }, (tile) => {
      f.set(number, i32.divU(tile, groups * panelsPerGroup));
      f.set(weights, i32.remU(tile, groups * panelsPerGroup));
      f.set(group, i32.divU(weights, panelsPerGroup));
      f.set(panel, i32.mul(i32.remU(weights, panelsPerGroup), width));
      f.set(weights, i32.add(scratch, i32.mul(weights, panels.panelBytes)));
      f.set(dyAt, i32.add(dy, i32.add(i32.mul(number, dyBytes), i32.mul(group, 4 * channelsIn))));
      f.set(dxAt, i32.add(i32.mul(group, channels), panel));
      f.set(dxAt, i32.add(dx, i32.add(i32.mul(number, imageBytes), i32.mul(dxAt, 4))));
      f.memoryFill(sums, 0, 4 * width * product(extents));
      addTaps(f, scatter, { dy: dyAt, weights, sums, row });
      f.set(count, i32.sub(channels, panel));
      copyOut(f, scatter, { sums, dx: dxAt, count });
    });
  });
}

interface TapAddition {
  readonly dy: Local<"i32">;
  readonly weights: Local<"i32">;
  readonly sums: Local<"i32">;
  readonly row: FunctionHandle;
}

/** Adds every row of dy, through every tap, to the sums. */
function addTaps(f: FunctionBuilder, { geometry, panels, extents }: Scatter, { dy, weights, sums, row }: TapAddition) {
  const { axes, groups, channelsIn } = geometry;
  const sumStrides = byteStrides(extents, 4 * panels.width);
  const dyStrides = byteStrides(
    axes.map(({ source }) => source),
    4 * groups * channelsIn,
  );
  const tapWeights = f.local("i32");
  const forTaps = (index: number, dyRow: Local<"i32">, target: Local<"i32">): void => {
    const axis = axes[index];
    if (!axis) {
      f.call(row, dyRow, tapWeights, target);
      f.increment(tapWeights, panels.tapBytes);
      return;
    }
    // Taps are packed back to front.
    const at = f.local("i32", i32.add(target, (axis.taps - 1) * axis.dilation * sumStrides[index]!));
    f.for({ from: 0, to: axis.taps }, () => {
      forTaps(index + 1, dyRow, at);
      f.increment(at, -axis.dilation * sumStrides[index]!);
    });
  };
  const forRows = (index: number, dyOuter: Local<"i32">, sumOuter: Local<"i32">): void => {
    if (index === axes.length - 1) {
      f.set(tapWeights, weights);
      forTaps(0, dyOuter, sumOuter);
      return;
    }
    const [dyRow, sumRow] = [f.local("i32", dyOuter), f.local("i32", sumOuter)];
    f.for({ from: 0, to: axes[index]!.source }, () => {
      forRows(index + 1, dyRow, sumRow);
      f.increment(dyRow, dyStrides[index]!);
      f.increment(sumRow, axes[index]!.spacing * sumStrides[index]!);
    });
  };
  forRows(0, dy, sums);
}

const pixelsPerTile = 4;

/** Defines row(dy, weights, sums): one row of pixels through one tap. */
function defineRow(module: ModuleBuilder, { geometry, panels, relaxed }: Scatter): FunctionHandle {
  const last = geometry.axes.at(-1)!;
  const { width } = panels;
  const vectors = width / 4;
  const dyPixel = 4 * geometry.groups * geometry.channelsIn;
  const sumPixel = 4 * width * last.spacing;
  return module.function(["i32", "i32", "i32"], (f, [dy, weightsAt, target]) => {
    const sums = tileAccumulators(f, { rows: pixelsPerTile, vectors, relaxed });
    const weights = f.local("i32");
    const tile = (rows: number) => {
      const used = sums.slice(0, rows);
      used.forEach((row, r) => row.forEach((sum, j) => f.set(sum, v128.load(target, r * sumPixel + 16 * j))));
      f.set(weights, weightsAt);
      walkTaps(f, [{ count: geometry.channelsIn, step: 4 }], {
        base: dy,
        weights,
        weightBytes: 4 * width,
        step: (from, offset, index) =>
          tileStep(
            f,
            { rows, vectors, relaxed },
            {
              sums: used,
              left: (r) => v128.load32Splat(from, r * dyPixel + offset),
              right: (j) => v128.load(weights, 4 * index * width + 16 * j),
            },
          ),
      });
      used.forEach((row, r) => row.forEach((sum, j) => f.storeV128(target, sum, r * sumPixel + 16 * j)));
      f.increment(dy, rows * dyPixel);
      f.increment(target, rows * sumPixel);
    };
    f.for({ from: 0, to: Math.floor(last.source / pixelsPerTile) }, () => tile(pixelsPerTile));
    if (last.source % pixelsPerTile > 0) tile(last.source % pixelsPerTile);
  });
}

interface CopyOut {
  readonly sums: Local<"i32">;
  readonly dx: Local<"i32">;
  /** Channels from the panel's first to the group's last. */
  readonly count: Local<"i32">;
}

/** Copies the pixels inside the image, and the channels that there are. */
function copyOut(f: FunctionBuilder, { geometry, panels, extents }: Scatter, { sums, dx, count }: CopyOut): void {
  const { axes, groups } = geometry;
  const { width, channels } = panels;
  const sumStrides = byteStrides(extents, 4 * width);
  const strides = byteStrides(
    axes.map(({ result }) => result),
    4 * groups * channels,
  );
  const start = axes.reduce((offset, axis, i) => offset + paddingOf(axis) * sumStrides[i]!, 0);
  const walk = (index: number, fromOuter: Local<"i32">, toOuter: Local<"i32">, lanes: number): void => {
    if (index === axes.length) {
      for (let j = 0; 4 * j < lanes; j++) {
        const value = v128.load(fromOuter, 16 * j);
        storeFirst(f, { address: toOuter, offset: 16 * j, value, count: lanes - 4 * j });
      }
      return;
    }
    const [from, to] = [f.local("i32", fromOuter), f.local("i32", toOuter)];
    f.for({ from: 0, to: axes[index]!.result }, () => {
      walk(index + 1, from, to, lanes);
      f.increment(from, sumStrides[index]!);
      f.increment(to, strides[index]!);
    });
  };
  const first = f.local("i32", i32.add(sums, start));
  const rest = channels % width;
  if (rest === 0) walk(0, first, dx, width);
  else {
    f.if(
      i32.eq(count, rest),
      () => walk(0, first, dx, rest),
      () => walk(0, first, dx, width),
    );
  }
}
