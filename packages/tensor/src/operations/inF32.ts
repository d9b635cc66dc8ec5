/** What needs more range and digits than f16 has on its way, and gives f16 again. */
import type { Tensor } from "../graph.ts";
import { cast } from "./arithmetic.ts";

/** `compute` of a tensor of f16 as f32, its result rounded once; of other tensors as they are. */
export function inF32(x: Tensor, compute: (x: Tensor) => Tensor): Tensor {
  return x.dtype === "f16" ? cast(compute(cast(x, "f32")), "f16") : compute(x);
}
