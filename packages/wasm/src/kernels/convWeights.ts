/** The kernel of a convolution, packed: for each panel of result channels its taps in the order walked, each with all input channels. */
import type { FunctionHandle, ModuleBuilder } from "@weft/emitter";
import { i32, minimum } from "@weft/emitter";
import type { ConvGeometry } from "./convGeometry.ts";
import { isDepthwise, tapCount } from "./convGeometry.ts";
import { definePack } from "./packPanels.ts";

/** How the kernel lies in memory: elements between neighbouring result channels, input channels, taps and groups. */
export interface WeightLayout {
  readonly result: number;
  readonly input: number;
  readonly tap: number;
  readonly group: number;
  /** Element of the tap that is walked first. */
  readonly first: number;
}

export interface WeightPanels {
  /** Groups and channels per group as computed: depthwise, lanes are groups, and there is one group of all channels. */
  readonly groups: number;
  readonly channels: number;
  /** Channels per panel. */
  readonly width: number;
  readonly panelsPerGroup: number;
  readonly panelBytes: number;
  /** Of one tap in a panel. */
  readonly tapBytes: number;
  /** All panels, with room for what packing overruns. */
  readonly bytes: number;
}

export function weightPanels(geometry: ConvGeometry): WeightPanels {
  const depthwise = isDepthwise(geometry);
  const width = depthwise ? 4 : 8;
  const [groups, channels] = depthwise ? [1, geometry.groups] : [geometry.groups, geometry.channelsOut];
  const tapBytes = 4 * width * geometry.channelsIn;
  const panelBytes = tapBytes * tapCount(geometry);
  const panelsPerGroup = Math.ceil(channels / width);
  const bytes = Math.ceil((groups * panelsPerGroup * panelBytes + 12 * width) / 64) * 64;
  return { groups, channels, width, panelsPerGroup, panelBytes, tapBytes, bytes };
}

/** Defines packWeights(to, kernel). */
export function definePackWeights(module: ModuleBuilder, geometry: ConvGeometry, layout: WeightLayout): FunctionHandle {
  const { groups, channels, width, tapBytes } = weightPanels(geometry);
  const { channelsIn } = geometry;
  const inner = [{ size: channelsIn, stride: layout.input }];
  const pack = definePack(module, { outer: [{ size: channels, stride: layout.result }], inner }, width);
  return module.function(["i32", "i32"], (f, [to, kernel]) => {
    const [group, tap, count] = [f.local("i32"), f.local("i32"), f.local("i32")];
    f.set(group, i32.add(kernel, 4 * layout.first));
    f.for({ from: 0, to: groups }, () => {
      f.for({ from: 0, to: channels, step: width }, (panel) => {
        f.set(count, i32.sub(channels, panel));
        f.set(count, minimum(count, width));
        f.set(tap, group);
        f.for({ from: 0, to: tapCount(geometry) }, () => {
          f.call(pack, to, tap, panel, count, i32.const(0), i32.const(channelsIn));
          f.increment(to, tapBytes);
          f.increment(tap, 4 * layout.tap);
        });
      });
      f.increment(group, 4 * layout.group);
    });
  });
}
