/** `dot`: chooses the kernel that suits the shapes and dtype of a contraction. */
import type { DotParams, TensorType } from "@weft/tensor";
import type { KernelFactory, KernelSource } from "../kernel.ts";
import { contractionOf } from "./contraction.ts";
import { packedDot } from "./dotPacked.ts";
import { simpleDot } from "./dotSimple.ts";
import { streamedDot } from "./dotStreamed.ts";
import { thinDot } from "./dotThin.ts";

export interface KernelOptions {
  /** Use fused multiply-add; its rounding may differ between machines. */
  readonly relaxed: boolean;
}

export const dotKernel =
  (options: KernelOptions): KernelFactory<"dot"> =>
  (inputs, params) => {
    const [lhs, rhs] = inputs as readonly [TensorType, TensorType];
    return chooseKernel(lhs, rhs, { params, ...options });
  };

function chooseKernel(
  lhs: TensorType,
  rhs: TensorType,
  { params, relaxed }: KernelOptions & { readonly params: DotParams },
): KernelSource {
  const contraction = contractionOf(params, [lhs, rhs]);
  const { batch, m, n, k } = contraction;
  if (lhs.dtype !== "f32" || batch * m * n * k === 0) return simpleDot(contraction);
  return (
    thinDot(contraction, { relaxed }) ?? streamedDot(contraction, { relaxed }) ?? packedDot(contraction, { relaxed })
  );
}
