/** Batch normalisation (Ioffe and Szegedy 2015). */
import { ShapeError, inF32, typeText } from "@weft/tensor";
import { ModelError } from "./errors.ts";
import { ones, zeros } from "./initializers.ts";
import type { Layer } from "./layer.ts";
import { define } from "./layer.ts";
import type { NormOptions } from "./norm.ts";
import { normOptions, normalised, scaled } from "./norm.ts";
import { checkOptions } from "./settings.ts";

export interface BatchNormOptions extends NormOptions {
  /** Share of each new batch in the running statistics; default 0.1, as PyTorch counts (Keras says 0.9). */
  readonly momentum?: number;
}

/**
 * x [batch, …, channels] to mean 0 and variance 1 per channel, then ·gamma + beta. While training, over the batch and all
 * axes but the last, and the statistics `mean` and `variance` [channels] move towards those of the batch (the variance
 * unbiased): take them from `applyWithState`. Otherwise by the statistics. Epsilon 1e-5.
 */
export function batchNorm({ momentum = 0.1, epsilon = 1e-5, ...affine }: BatchNormOptions = {}): Layer {
  checkOptions("batchNorm", affine, ["momentum", ...normOptions]);
  if (!(momentum >= 0 && momentum <= 1)) {
    throw new ModelError(`batchNorm: momentum must be in 0..1, the share of the new batch, got ${momentum}`);
  }
  return define(
    (scope) => (x) => {
      if (x.rank < 2) throw new ShapeError(`batchNorm: expected [batch, …, channels], got ${typeText(x)}; add axes`);
      const shape = x.shape.slice(-1);
      const mean = scope.statistic("mean", shape, zeros());
      const variance = scope.statistic("variance", shape, ones());
      if (!scope.training) {
        const scale = variance.value.add(epsilon).rsqrt();
        const y = inF32(x, (wide) => wide.sub(mean.value).mul(scale));
        return scaled(scope, y, { shape, ...affine });
      }
      const axis = x.shape.slice(0, -1).map((_, i) => i);
      const count = axis.reduce((product, i) => product * (x.shape[i] ?? 1), 1);
      // Statistics stay f32 where the layer computes in f16.
      const wide = x.cast(mean.value.dtype);
      mean.update(mean.value.mul(1 - momentum).add(wide.mean({ axis }).mul(momentum)));
      const unbiased = wide.variance({ axis }).mul(count / Math.max(1, count - 1));
      variance.update(variance.value.mul(1 - momentum).add(unbiased.mul(momentum)));
      return scaled(scope, normalised(x, axis, epsilon), { shape, ...affine });
    },
    { kind: "batchNorm" },
  );
}
