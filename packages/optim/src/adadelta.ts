/** Adadelta (Zeiler 2012): the step has the size of recent steps, so that its unit is that of the parameters. */
import type { DecayOptions } from "./decay.ts";
import { decayRanges } from "./decay.ts";
import { average } from "./means.ts";
import type { Optimizer } from "./optimizer.ts";
import { perParameter } from "./perParameter.ts";
import { checkSettings, fraction, positive } from "./settings.ts";
import type { AdadeltaSpec } from "./spec.ts";

export interface AdadeltaOptions extends DecayOptions {
  /** Share of both running means of squares that is kept. */
  readonly decay?: number;
  /** Added under both roots. */
  readonly epsilon?: number;
}

/**
 * v ← decay·v + (1 − decay)·g², d = g·√(D + epsilon)/√(v + epsilon), D ← decay·D + (1 − decay)·d², w ← w − learningRate·d.
 * State: v, then D.
 */
export function adadelta(options: AdadeltaOptions): Optimizer<AdadeltaSpec> {
  const { learningRate, decay = 0.9, epsilon = 1e-6, weightDecay = 0, decoupledDecay = false } = options;
  const spec: AdadeltaSpec = { name: "adadelta", learningRate, decay, epsilon, weightDecay, decoupledDecay };
  checkSettings(spec, { ...decayRanges, decay: fraction, epsilon: positive });
  return perParameter(spec, {
    slots: [0, 0],
    update({ parameter, gradient, slots: [squares = gradient, changes = gradient], learningRate: rate }) {
      const meanSquare = average(squares, gradient.mul(gradient), decay);
      const change = changes.add(epsilon).sqrt().div(meanSquare.add(epsilon).sqrt()).mul(gradient);
      return {
        parameter: parameter.sub(change.mul(rate)),
        slots: [meanSquare, average(changes, change.mul(change), decay)],
      };
    },
  });
}
