/** Clipped gradients, before any optimiser sees them: by value, by the norm of each tensor, by the norm of all together. */
import type { Tensor } from "@weft/tensor";
import { zeros } from "@weft/tensor";
import type { Optimizer } from "./optimizer.ts";
import { checkSettings, nonNegative, positive } from "./settings.ts";
import type { ClipByGlobalNormSpec, ClipByNormSpec, ClipByValueSpec, OptimizerSpec } from "./spec.ts";

export interface ClipNormOptions {
  readonly maxNorm: number;
  /** Added to the norm in the divisor; default 1e-6, PyTorch's. With 0 a clipped norm is maxNorm exactly. */
  readonly epsilon?: number;
}

/** Elements of gradients clamped to [−maxValue, maxValue]. */
export function clipByValue(optimizer: Optimizer, { maxValue }: { maxValue: number }): Optimizer<ClipByValueSpec> {
  const spec: ClipByValueSpec = { name: "clipByValue", maxValue, optimizer: optimizer.spec };
  checkSettings(spec, { maxValue: positive });
  return clipped(optimizer, { spec, elementwise: true }, (gradients) => clampGradients(gradients, maxValue));
}

/** Each tensor scaled by min(1, maxNorm/(norm + epsilon)). */
export function clipByNorm(optimizer: Optimizer, options: ClipNormOptions): Optimizer<ClipByNormSpec> {
  const { maxNorm, epsilon = 1e-6 } = options;
  const spec: ClipByNormSpec = { name: "clipByNorm", maxNorm, epsilon, optimizer: optimizer.spec };
  checkSettings(spec, { maxNorm: positive, epsilon: nonNegative });
  return clipped(optimizer, { spec, elementwise: false }, (gradients) =>
    gradients.flatMap((gradient) => limitNorm([gradient], { maxNorm, epsilon })),
  );
}

/** All tensors scaled by min(1, maxNorm/(norm + epsilon)), the norm that of all of them together. */
export function clipByGlobalNorm(optimizer: Optimizer, options: ClipNormOptions): Optimizer<ClipByGlobalNormSpec> {
  const { maxNorm, epsilon = 1e-6 } = options;
  const spec: ClipByGlobalNormSpec = { name: "clipByGlobalNorm", maxNorm, epsilon, optimizer: optimizer.spec };
  checkSettings(spec, { maxNorm: positive, epsilon: nonNegative });
  return clipped(optimizer, { spec, elementwise: false }, (gradients) => limitNorm(gradients, { maxNorm, epsilon }));
}

/** The Euclidean norm of all tensors together; 0 of none. */
export function globalNorm(tensors: readonly Tensor[]): Tensor {
  const [first, ...rest] = tensors.map((tensor) => tensor.mul(tensor).sum());
  return first ? rest.reduce((total, square) => total.add(square.cast(first.dtype)), first).sqrt() : zeros([]);
}

/** The tensors scaled together so that their common norm is at most `maxNorm`: see `clipByGlobalNorm`. */
export function limitNorm(tensors: readonly Tensor[], { maxNorm, epsilon = 1e-6 }: ClipNormOptions): Tensor[] {
  // A norm of 0 gives an infinite quotient, and the factor is 1.
  const factor = globalNorm(tensors).add(epsilon).reciprocal().mul(maxNorm).minimum(1);
  return tensors.map((tensor) => tensor.mul(factor.cast(tensor.dtype)));
}

/** Elements clamped to [−maxValue, maxValue]. */
export function clampGradients(gradients: readonly Tensor[], maxValue: number): Tensor[] {
  return gradients.map((gradient) => gradient.minimum(maxValue).maximum(-maxValue));
}

function clipped<Spec extends OptimizerSpec>(
  optimizer: Optimizer,
  { spec, elementwise }: { readonly spec: Spec; readonly elementwise: boolean },
  clip: (gradients: readonly Tensor[]) => Tensor[],
): Optimizer<Spec> {
  return {
    ...optimizer,
    spec,
    elementwise: elementwise && optimizer.elementwise,
    update: (parameters, gradients, state) => optimizer.update(parameters, clip(gradients), state),
  };
}
