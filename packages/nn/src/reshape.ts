/** A change of shape as a layer. */
import type { Shape } from "@weft/tensor";
import type { Layer } from "./layer.ts";
import { define } from "./layer.ts";

/** x [batch, …] → [batch, ...shape], row-major; one size may be -1. `flatten` is the way back. */
export function reshape(shape: Shape): Layer {
  return define(() => (x) => x.reshape([x.shape[0] ?? 1, ...shape]), { kind: "reshape" });
}
