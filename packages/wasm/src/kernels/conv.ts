/**
 * `conv` and `convInputGradient`: direct convolution. Taps are read from the image itself (or a padded copy of the rows at
 * hand), so no matrix of patches is ever stored; only the weights are packed, once per call.
 */
import type { FunctionHandle, Local } from "@weft/emitter";
import { i32, minimum, ModuleBuilder } from "@weft/emitter";
import type { TensorType } from "@weft/tensor";
import { defineRun } from "../defineRun.ts";
import type { KernelFactory, KernelSource } from "../kernel.ts";
import type { ConvGeometry } from "./convGeometry.ts";
import { forwardGeometry, geometryKey, isDepthwise, product, tapCount, transposedGeometry } from "./convGeometry.ts";
import type { ConvImage } from "./convImage.ts";
import { byteStrides, imageOf, placeImage } from "./convImage.ts";
import { defineRow } from "./convRow.ts";
import { scatterConvolution, scatterCost } from "./convScatter.ts";
import type { WeightLayout, WeightPanels } from "./convWeights.ts";
import { definePackWeights, weightPanels } from "./convWeights.ts";
import type { KernelOptions } from "./dot.ts";

export const convKernel =
  (options: KernelOptions): KernelFactory<"conv"> =>
  (inputs, params) => {
    const [x, kernel] = inputs as readonly [TensorType, TensorType];
    const geometry = forwardGeometry(x.shape, kernel.shape, params);
    const { groups, channelsIn, channelsOut } = geometry;
    const features = groups * channelsOut;
    const layout = { result: 1, input: features, tap: channelsIn * features, group: channelsOut, first: 0 };
    return directConvolution(geometry, layout, options);
  };

export const convInputGradientKernel =
  (options: KernelOptions): KernelFactory<"convInputGradient"> =>
  (inputs, params) => {
    const [dy, kernel] = inputs as readonly [TensorType, TensorType];
    const geometry = transposedGeometry(dy.shape, kernel.shape, params);
    const { groups, channelsIn, channelsOut } = geometry;
    const features = groups * channelsIn;
    const layout: WeightLayout = {
      result: isDepthwise(geometry) ? 1 : features,
      input: 1,
      tap: -channelsOut * features,
      group: channelsIn,
      first: (tapCount(geometry) - 1) * channelsOut * features,
    };
    return !isDepthwise(geometry) && scatterCost(geometry) < 1
      ? scatterConvolution(geometry, layout, options)
      : directConvolution(geometry, layout, options);
  };

/** Tiles are bands of rows along the outermost spatial axis. */
function directConvolution(geometry: ConvGeometry, layout: WeightLayout, { relaxed }: KernelOptions): KernelSource {
  const plan = planOf(geometry);
  const { panels } = plan;
  const results = product(geometry.axes.map(({ result }) => result));
  return {
    key: `conv:${geometryKey(geometry)}:${Object.values(layout).join()}`,
    build: () => build(geometry, layout, { plan, relaxed }),
    tiles: results * panels.groups * panels.channels === 0 ? 0 : geometry.batch * plan.bands,
    scratchBytes: panels.bytes + plan.image.bytes,
  };
}

interface Plan {
  /** Rows per band, and bands per image. */
  readonly rows: number;
  readonly bands: number;
  readonly panels: WeightPanels;
  readonly image: ConvImage;
  /** Bytes between neighbours of the result along each spatial axis. */
  readonly resultStrides: readonly number[];
}

/** With fewer images than this, each is divided in bands. */
const enoughTiles = 8;

function planOf(geometry: ConvGeometry): Plan {
  const { batch, axes } = geometry;
  const allRows = axes[0]!.result;
  const rows = Math.max(1, Math.ceil(allRows / Math.max(1, Math.floor(enoughTiles / Math.max(batch, 1)))));
  const panels = weightPanels(geometry);
  const results = axes.map(({ result }) => result);
  return {
    rows,
    bands: Math.ceil(allRows / rows),
    panels,
    image: imageOf(geometry, rows),
    resultStrides: byteStrides(results, 4 * panels.groups * panels.channels),
  };
}

function build(
  geometry: ConvGeometry,
  layout: WeightLayout,
  { plan, relaxed }: { readonly plan: Plan } & KernelOptions,
): ModuleBuilder {
  const { axes, groups, channelsIn } = geometry;
  const { image, rows, bands, resultStrides } = plan;
  const module = new ModuleBuilder();
  const pack = definePackWeights(module, geometry, layout);
  const panels = definePanels(module, { geometry, plan, relaxed });
  const imageBytes = 4 * product(axes.map(({ source }) => source)) * groups * channelsIn;

  return defineRun(module, 3, (f, [from, to, scratch, x, kernel, result]) => {
    f.call(pack, scratch, kernel);
    const imageScratch = f.i32(i32.add(scratch, plan.panels.bytes));
    const [number, band, rowCount] = f.zeros(3);
    const [imageAt, resultAt] = f.zeros(2);
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
      f.set(rowCount, minimum(rowCount, rows));
      f.set(imageAt, i32.add(x, i32.mul(number, imageBytes)));
      f.set(imageAt, placeImage(f, { geometry, image }, { from: imageAt, scratch: imageScratch, row: band }));
      f.set(resultAt, i32.add(result, i32.mul(number, axes[0]!.result * resultStrides[0]!)));
      f.increment(resultAt, i32.mul(band, resultStrides[0]!));
      walk(0, [imageAt, resultAt]);
    });
  });
}

/** Defines panels(image, weights, result): one row of the result, all channels. */
function definePanels(
  module: ModuleBuilder,
  { geometry, plan, relaxed }: { readonly geometry: ConvGeometry; readonly plan: Plan } & KernelOptions,
): FunctionHandle {
  const { groups, width, channels, panelBytes } = plan.panels;
  const rowOf = (count: number) =>
    count > 0 ? defineRow(module, { geometry, image: plan.image, channels: count, width, relaxed }) : undefined;
  const wholePanels = Math.floor(channels / width);
  const whole = rowOf(wholePanels > 0 ? width : 0);
  const partial = rowOf(channels % width);
  // Depthwise, every panel reads channels of its own.
  const imageStep = isDepthwise(geometry) ? 4 * width : 0;
  return module.function(["i32", "i32", "i32"], (f, [image, weights, result]) => {
    f.for({ from: 0, to: groups }, () => {
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
