/** Gradients of windowed reductions. */
import { fill } from "../elementary.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { WindowParams } from "../primitive.ts";
import type { VjpRule } from "./rule.ts";

type Windowed = "windowMax" | "windowSum" | "windowScatter" | "windowGather";

export const windowRules: { readonly [P in Windowed]: VjpRule<P> } = {
  windowMax: (dy, { inputs: [x], params }) => [bind("windowScatter", [x, dy], params)],
  // where the maxima are does not change with x, almost everywhere
  windowScatter: (dx, { inputs: [x], params }) => [undefined, bind("windowGather", [x, dx], params)],
  windowGather: (dt, { inputs: [x], params }) => [undefined, bind("windowScatter", [x, dt], params)],
  windowSum: (dy, { inputs: [x], params }) => [unwindowSum(dy, x, params)],
};

/**
 * Element i of x is in the windows that begin at i + padding - window + 1 … i + padding: the sum over a window of the
 * same size, with stride 1, of the cotangents spread out `stride` apart.
 */
function unwindowSum(dy: Tensor, x: Tensor, { window, strides, padding }: WindowParams): Tensor {
  const spread = dy.shape.map((count, i) => (count === 0 ? 0 : (count - 1) * (strides[i] ?? 1) + 1));
  const low = window.map((extent, i) => extent - 1 - (padding[i]?.[0] ?? 0));
  const high = x.shape.map((size, i) => size + (padding[i]?.[0] ?? 0) - (spread[i] ?? 0));
  const padded = bind("pad", [dy, fill({ shape: [], dtype: dy.dtype }, 0)], {
    low: low.map((n) => Math.max(0, n)),
    high: high.map((n) => Math.max(0, n)),
    interior: strides.map((stride) => stride - 1),
  });
  // windows that lie wholly in the padding are cut off
  const cut = bind("slice", [padded], {
    start: low.map((n) => Math.max(0, -n)),
    stop: padded.shape.map((size, i) => size - Math.max(0, -(high[i] ?? 0))),
    step: window.map(() => 1),
  });
  return bind("windowSum", [cut], { window, strides: window.map(() => 1), padding: window.map(() => [0, 0] as const) });
}
