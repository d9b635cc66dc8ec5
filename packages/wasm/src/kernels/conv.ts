/**
 * `conv` and `convInputGradient`: direct convolution. Taps are read from the image itself (or a padded copy of the rows at
 * hand), so no matrix of patches is ever stored; only the weights are packed, once per call.
 */
import type { TensorType } from "@weft/tensor";
import type { Local } from "../emitter/expression.ts";
import { select } from "../emitter/expression.ts";
import type { FunctionHandle } from "../emitter/functionBuilder.ts";
import { ModuleBuilder } from "../emitter/moduleBuilder.ts";
import { i32 } from "../emitter/scalar.ts";
import type { KernelFactory, KernelSource } from "../kernel.ts";
import { axesKey } from "./axes.ts";
import type { ConvGeometry } from "./convGeometry.ts";
import { forwardGeometry, geometryKey, isDepthwise, product, tapCount, transposedGeometry } from "./convGeometry.ts";
import type { ConvImage } from "./convImage.ts";
import { imageOf, placeImage } from "./convImage.ts";
import { defineRow } from "./convRow.ts";
import type { KernelOptions } from "./dot.ts";
import type { PanelSource } from "./packPanels.ts";
import { definePack } from "./packPanels.ts";

export const convKernel =
  ({ relaxed }: KernelOptions): KernelFactory<"conv"> =>
  (inputs, params) => {
    const [x, kernel] = inputs as readonly [TensorType, TensorType];
    const geometry = forwardGeometry(x.shape, kernel.shape, params);
    const { groups, channelsIn, channelsOut } = geometry;
    return directConvolution(geometry, {
      outer: [{ size: channelsOut, stride: 1 }],
      inner: [{ size: tapCount(geometry) * channelsIn, stride: groups * channelsOut }],
      first: 0,
      groupStride: channelsOut,
      relaxed,
    });
  };

export const convInputGradientKernel =
  ({ relaxed }: KernelOptions): KernelFactory<"convInputGradient"> =>
  (inputs, params) => {
    const [dy, kernel] = inputs as readonly [TensorType, TensorType];
    const geometry = transposedGeometry(dy.shape, kernel.shape, params);
    const { groups, channelsIn, channelsOut } = geometry;
    const taps = tapCount(geometry);
    const tapStride = channelsOut * groups * channelsIn;
    const inner = [
      { size: taps, stride: -tapStride },
      { size: channelsIn, stride: 1 },
    ];
    return directConvolution(geometry, {
      outer: [{ size: channelsOut, stride: isDepthwise(geometry) ? 1 : groups * channelsIn }],
      inner: inner.filter(({ size }) => size !== 1),
      first: (taps - 1) * tapStride,
      groupStride: channelsIn,
      relaxed,
    });
  };

/** How the kernel lies in memory: the result channels of one group (`outer`), and taps with input channels (`inner`). */
interface Weights extends PanelSource, KernelOptions {
  /** Element of the first tap walked. */
  readonly first: number;
  /** Elements between groups. */
  readonly groupStride: number;
}

/** Tiles are bands of rows along the outermost spatial axis. */
function directConvolution(geometry: ConvGeometry, weights: Weights): KernelSource {
  const plan = planOf(geometry);
  const { batch, axes } = geometry;
  const empty = product(axes.map(({ result }) => result)) * plan.groups * plan.channels === 0;
  return {
    key: `conv:${weights.relaxed ? "relaxed" : "plain"}:${geometryKey(geometry)}:${[weights.outer, weights.inner].map(axesKey).join()}`,
    build: () => build(geometry, weights, plan),
    tiles: empty ? 0 : batch * plan.bands,
    scratchBytes: plan.weightsBytes + plan.image.bytes,
  };
}

interface Plan {
  /** Rows per band, and bands per image. */
  readonly rows: number;
  readonly bands: number;
  /** Groups and channels per group as computed: depthwise, lanes are groups, and there is one group of all channels. */
  readonly groups: number;
  readonly channels: number;
  /** Channels per panel. */
  readonly width: number;
  /** Bytes of one packed panel. */
  readonly panelBytes: number;
  readonly panelsPerGroup: number;
  readonly weightsBytes: number;
  readonly image: ConvImage;
  /** Bytes between neighbours of the result along each spatial axis. */
  readonly resultStrides: readonly number[];
}

/** With fewer images than this, each is divided in bands. */
const enoughTiles = 8;

function planOf(geometry: ConvGeometry): Plan {
  const { batch, axes, channelsIn } = geometry;
  const allRows = axes[0]!.result;
  const rows = Math.max(1, Math.ceil(allRows / Math.max(1, Math.floor(enoughTiles / Math.max(batch, 1)))));
  const depthwise = isDepthwise(geometry);
  const width = depthwise ? 4 : 8;
  const [groups, channels] = depthwise ? [1, geometry.groups] : [geometry.groups, geometry.channelsOut];
  const panelBytes = 4 * width * tapCount(geometry) * channelsIn;
  const panelsPerGroup = Math.ceil(channels / width);
  // Packing may overrun by three rows of a panel.
  const weightsBytes = Math.ceil((groups * panelsPerGroup * panelBytes + 12 * width) / 64) * 64;
  const results = axes.map(({ result }) => result);
  return {
    rows,
    bands: Math.ceil(allRows / rows),
    groups,
    channels,
    width,
    panelBytes,
    panelsPerGroup,
    weightsBytes,
    image: imageOf(geometry, rows),
    resultStrides: results.map((_, i) => 4 * product(results.slice(i + 1)) * groups * channels),
  };
}

function build(geometry: ConvGeometry, weights: Weights, plan: Plan): Uint8Array<ArrayBuffer> {
  const { axes, groups, channelsIn } = geometry;
  const { image, rows, bands, resultStrides } = plan;
  const module = new ModuleBuilder();
  const pack = definePack(module, weights, plan.width);
  const panels = definePanels(module, { geometry, plan, relaxed: weights.relaxed });
  const imageBytes = 4 * product(axes.map(({ source }) => source)) * groups * channelsIn;
  const taps = tapCount(geometry) * channelsIn;

  module.function(
    ["i32", "i32", "i32", "i32", "i32", "i32"],
    (f, [from, to, scratch, x, kernel, result]) => {
      const imageScratch = f.i32(i32.add(scratch, plan.weightsBytes));
      f.for({ from: 0, to: plan.groups }, (group) => {
        const target = i32.add(scratch, i32.mul(group, plan.panelsPerGroup * plan.panelBytes));
        const source = i32.add(i32.add(kernel, 4 * weights.first), i32.mul(group, 4 * weights.groupStride));
        f.call(pack, target, source, i32.const(0), i32.const(plan.channels), i32.const(0), i32.const(taps));
      });
      const [number, band, rowCount] = [f.i32(0), f.i32(0), f.i32(0)];
      const [imageAt, resultAt] = [f.i32(0), f.i32(0)];
      const walk = (index: number, [image_, result_]: readonly [Local<"i32">, Local<"i32">]): void => {
        if (index === axes.length - 1) {
          f.call(panels, image_, scratch, result_);
          return;
        }
        const [imageRow, resultRow] = [f.local("i32", image_), f.local("i32", result_)];
        f.for({ from: 0, to: index === 0 ? rowCount : axes[index]!.result }, () => {
          walk(index + 1, [imageRow, resultRow]);
          f.increment(imageRow, axes[index]!.stride * image.strides[index]!);
          f.increment(resultRow, resultStrides[index]!);
        });
      };
      f.for({ from, to }, (tile) => {
        f.set(number, i32.divU(tile, bands));
        f.set(band, i32.mul(i32.remU(tile, bands), rows));
        f.set(rowCount, i32.sub(axes[0]!.result, band));
        f.set(rowCount, select(i32.ltS(rowCount, rows), rowCount, i32.const(rows)));
        f.set(imageAt, i32.add(x, i32.mul(number, imageBytes)));
        f.set(imageAt, placeImage(f, { geometry, image }, { from: imageAt, scratch: imageScratch, row: band }));
        f.set(resultAt, i32.add(result, i32.mul(number, axes[0]!.result * resultStrides[0]!)));
        f.increment(resultAt, i32.mul(band, resultStrides[0]!));
        walk(0, [imageAt, resultAt]);
      });
    },
    { export: "run" },
  );
  return module.toBytes();
}

/** Defines panels(image, weights, result): one row of the result, all channels. */
function definePanels(
  module: ModuleBuilder,
  { geometry, plan, relaxed }: { readonly geometry: ConvGeometry; readonly plan: Plan; readonly relaxed: boolean },
): FunctionHandle {
  const { width, channels, panelBytes } = plan;
  const rowOf = (count: number) =>
    count > 0 ? defineRow(module, { geometry, image: plan.image, channels: count, width, relaxed }) : undefined;
  const wholePanels = Math.floor(channels / width);
  const whole = rowOf(wholePanels > 0 ? width : 0);
  const partial = rowOf(channels % width);
  // Depthwise, every panel reads channels of its own.
  const imageStep = isDepthwise(geometry) ? 4 * width : 0;
  return module.function(["i32", "i32", "i32"], (f, [image, weights, result]) => {
    f.for({ from: 0, to: plan.groups }, () => {
      if (whole) {
        f.for({ from: 0, to: wholePanels }, () => {
          f.call(whole, image, weights, result);
          f.increment(image, imageStep);
          f.increment(weights, panelBytes);
          f.increment(result, 4 * width);
        });
      }
      if (partial) {
        f.call(partial, image, weights, result);
        f.increment(weights, panelBytes);
        f.increment(result, 4 * (channels % width));
      }
      f.increment(image, 4 * geometry.channelsIn);
    });
  });
}
