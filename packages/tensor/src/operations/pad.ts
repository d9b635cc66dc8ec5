/** Padding: a constant, or the tensor mirrored at its edges. */
import { full } from "../create.ts";
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { PadPair } from "../primitive.ts";
import { typeText } from "../program.ts";
import { concat } from "./join.ts";
import { flip } from "./shape.ts";
import { sliceAxis } from "./slice.ts";

export interface PadOptions {
  /** `reflect` mirrors without repeating the edge. Default `constant`. */
  readonly mode?: "constant" | "reflect";
  /** Fill of the constant mode. Default 0. */
  readonly value?: number;
}

/** Elements added before and after each axis; one pair per axis. */
export function pad(x: Tensor, pads: readonly PadPair[], options: PadOptions = {}): Tensor {
  if (pads.length !== x.rank) {
    throw new ShapeError(`pad: ${pads.length} pairs for ${typeText(x)}; expected one [before, after] per axis`);
  }
  if (pads.every(([before, after]) => before === 0 && after === 0)) return x;
  if (options.mode === "reflect") return pads.reduce((padded, sizes, axis) => reflected(padded, axis, sizes), x);
  const fill = full([], options.value ?? 0, { dtype: x.dtype });
  const [low, high] = [pads.map(([before]) => before), pads.map(([, after]) => after)];
  return bind("pad", [x, fill], { low, high, interior: pads.map(() => 0) });
}

function reflected(x: Tensor, axis: number, [before, after]: PadPair): Tensor {
  const size = x.shape[axis] ?? 0;
  if (Math.max(before, after) >= size && before + after > 0) {
    throw new ShapeError(
      `pad: reflecting [${before}, ${after}] needs more than axis ${axis} of ${typeText(x)}; pad less`,
    );
  }
  const parts = [x];
  if (before > 0) parts.unshift(flip(sliceAxis(x, axis, [1, before + 1]), axis));
  if (after > 0) parts.push(flip(sliceAxis(x, axis, [size - 1 - after, size - 1]), axis));
  return concat(parts, axis);
}
