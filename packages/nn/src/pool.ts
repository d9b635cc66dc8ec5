/** Pooling layers over images. */
import type { Padding } from "@weft/tensor";
import type { Layer } from "./layer.ts";
import { define } from "./layer.ts";
import { checkCount } from "./settings.ts";

export interface Pool2dOptions {
  /** Height and width of the window; one number for both. */
  readonly window: number | readonly [height: number, width: number];
  /** Default: the window, so that windows do not overlap. */
  readonly stride?: number | readonly [vertical: number, horizontal: number];
  /** Default `valid`: what does not fill a window is left out. */
  readonly padding?: Padding;
}

/** x [batch, height, width, channels] → the maximum of each window; padding never wins. */
export function maxPool2d(options: Pool2dOptions): Layer {
  check("maxPool2d", options);
  return define(() => (x) => x.maxPool2d(options), { kind: "maxPool2d" });
}

/** x [batch, height, width, channels] → the mean of each window; padding does not count. */
export function avgPool2d(options: Pool2dOptions): Layer {
  check("avgPool2d", options);
  return define(() => (x) => x.avgPool2d({ ...options, countIncludePad: false }), { kind: "avgPool2d" });
}

function check(kind: string, { window, stride }: Pool2dOptions): void {
  checkCount(kind, "window", window);
  checkCount(kind, "stride", stride ?? window);
}
