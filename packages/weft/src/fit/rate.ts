/** The learning rate of a fit, for those who watch or change it. */
import type { Schedule } from "@weft/optim";
import { scheduleValue } from "@weft/optim";
import { createOptimizer } from "@weft/optim/createOptimizer";
import { tensor } from "@weft/tensor";

/** What the rate of an optimiser is: one number that may be changed, a schedule by steps, or neither to be seen from outside. */
export type LearningRate =
  | { readonly kind: "number"; readonly initial: number }
  | { readonly kind: "schedule"; readonly schedule: Exclude<Schedule, { name: "adjustable" }> }
  | { readonly kind: "hidden" };

/** @param spec as `createOptimizer` takes it */
export function learningRateOf(spec: unknown): LearningRate {
  const checked = createOptimizer(spec).spec;
  if (!("learningRate" in checked)) return { kind: "hidden" };
  const rate = checked.learningRate;
  if (typeof rate === "number") return { kind: "number", initial: rate };
  if (rate.name === "adjustable") return { kind: "number", initial: rate.initial };
  return { kind: "schedule", schedule: rate };
}

/** The rate of a schedule in the step given, counted from 1. */
export function scheduledRate({ schedule }: Extract<LearningRate, { kind: "schedule" }>, step: number): number {
  const updates = tensor(Int32Array.of(step - 1), { shape: [], dtype: "i32" });
  return Number(scheduleValue(schedule, { updates, dtype: "f32" }).dataSync()[0]);
}

/** Why a callback cannot change a rate that is not one number. */
export const fixedRateText =
  "follows a schedule or belongs to an optimiser within another, so a callback cannot change it; make it one number, or adjustable(…)";
