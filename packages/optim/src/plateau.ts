/** A learning rate that falls when a metric no longer improves (PyTorch's ReduceLROnPlateau): decided outside the update. */
import type { Tensor } from "@weft/tensor";
import { OptimizerError } from "./errors.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkSettings, countOrZero, fraction, nonNegative } from "./settings.ts";

export interface PlateauOptions {
  /** The rate to begin with. */
  readonly learningRate: number;
  /** What the rate is multiplied by; default 0.1. */
  readonly factor?: number;
  /** Looks without improvement that are borne; the next one lowers the rate. Default 10. */
  readonly patience?: number;
  /** Looks after a fall that do not count; default 0. */
  readonly cooldown?: number;
  /** Share of the best value by which a better one must differ; default 1e-4. */
  readonly threshold?: number;
  /** The rate does not fall below it; default 0. */
  readonly minLearningRate?: number;
  /** Whether a lower metric is better (`min`, the default) or a higher one. */
  readonly mode?: "min" | "max";
}

/** What is remembered between looks at the metric: plain data, to be stored with a checkpoint. */
export interface PlateauState {
  readonly learningRate: number;
  /** The best value so far; null before the first. */
  readonly best: number | null;
  /** Looks since then. */
  readonly badLooks: number;
  /** Looks that still do not count. */
  readonly resting: number;
}

export interface Plateau {
  readonly initial: PlateauState;
  /** Takes in the metric. Pure; NaN is no improvement. */
  next(state: PlateauState, metric: number): PlateauState;
}

/**
 * ```ts
 * const optimizer = adam({ learningRate: adjustable(1e-3) });
 * const schedule = plateau({ learningRate: 1e-3, patience: 3 });
 * let watch = schedule.initial;
 * // after an epoch:
 * watch = schedule.next(watch, validationLoss);
 * state = withLearningRate(optimizer, state, watch.learningRate);
 * ```
 */
export function plateau(options: PlateauOptions): Plateau {
  const { learningRate, factor = 0.1, patience = 10, cooldown = 0 } = options;
  const { threshold = 1e-4, minLearningRate = 0, mode = "min" } = options;
  const settings = { name: "plateau", learningRate, factor, patience, cooldown, threshold, minLearningRate };
  checkSettings(settings, {
    learningRate: nonNegative,
    factor: fraction,
    patience: countOrZero,
    cooldown: countOrZero,
    threshold: nonNegative,
    minLearningRate: nonNegative,
  });
  const improves = (metric: number, best: number) =>
    mode === "min" ? metric < best - Math.abs(best) * threshold : metric > best + Math.abs(best) * threshold;
  return {
    initial: { learningRate, best: null, badLooks: 0, resting: 0 },
    next(state, metric) {
      const better = state.best === null ? !Number.isNaN(metric) : improves(metric, state.best);
      const resting = Math.max(0, state.resting - 1);
      const badLooks = better || state.resting > 0 ? 0 : state.badLooks + 1;
      const best = better ? metric : state.best;
      if (badLooks <= patience) return { ...state, best, badLooks, resting };
      const lowered = Math.max(minLearningRate, state.learningRate * factor);
      return { learningRate: Math.min(lowered, state.learningRate), best, badLooks: 0, resting: cooldown };
    },
  };
}

/**
 * The state with another learning rate in it; the compiled step stays as it is.
 *
 * @throws {OptimizerError} unless the optimiser was made with `learningRate: adjustable(…)`
 */
export function withLearningRate(optimizer: Optimizer, state: readonly Tensor[], learningRate: number): Tensor[] {
  if (!optimizer.adjust) {
    throw new OptimizerError(
      `${optimizer.spec.name}: its learning rate is fixed; make it with learningRate: adjustable(${learningRate})`,
    );
  }
  if (!nonNegative.holds(learningRate)) {
    throw new OptimizerError(`${optimizer.spec.name}: a learning rate is ${nonNegative.text}, got ${learningRate}`);
  }
  return optimizer.adjust(state, learningRate);
}
