/** Yogi (Zaheer et al. 2018): Adam whose mean square moves by additive steps, so that rates do not leap up. */
import type { MeansOptions } from "./means.ts";
import { average, meansRanges, remainder } from "./means.ts";
import type { Optimizer } from "./optimizer.ts";
import { perParameter } from "./perParameter.ts";
import { checkSettings, flag, nonNegative } from "./settings.ts";
import type { YogiSpec } from "./spec.ts";

export interface YogiOptions extends MeansOptions {
  /** What the mean square starts at; default 1e-6, the paper's. */
  readonly initialAccumulator?: number;
  /** Corrects both means for their start, as Adam does; default false, as in the paper. */
  readonly biasCorrection?: boolean;
}

/**
 * m ← beta1·m + (1 − beta1)·g, v ← v − (1 − beta2)·sign(v − g²)·g², w ← w − learningRate·m/(√v + epsilon).
 * State: m, v, then t with the correction.
 */
export function yogi(options: YogiOptions): Optimizer<YogiSpec> {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-3 } = options;
  const { initialAccumulator = 1e-6, biasCorrection = false, weightDecay = 0, decoupledDecay = false } = options;
  const own = { beta1, beta2, epsilon, initialAccumulator, biasCorrection };
  const spec: YogiSpec = { name: "yogi", learningRate, ...own, weightDecay, decoupledDecay };
  checkSettings(spec, { ...meansRanges, initialAccumulator: nonNegative, biasCorrection: flag });
  return perParameter(spec, {
    slots: [0, initialAccumulator],
    countsSteps: biasCorrection,
    update({ parameter, gradient, slots: [first = gradient, second = gradient], learningRate: rate, step }) {
      const mean = average(first, gradient, beta1);
      const square = gradient.mul(gradient);
      const meanSquare = second.sub(
        second
          .sub(square)
          .sign()
          .mul(square)
          .mul(1 - beta2),
      );
      const corrected = biasCorrection ? meanSquare.mul(remainder(beta2, step).reciprocal()) : meanSquare;
      const scaled = biasCorrection ? remainder(beta1, step).reciprocal().mul(rate) : rate;
      const change = mean.mul(scaled).div(corrected.sqrt().add(epsilon));
      return { parameter: parameter.sub(change), slots: [mean, meanSquare] };
    },
  });
}
