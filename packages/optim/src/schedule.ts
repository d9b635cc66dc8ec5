/**
 * Schedules: numbers that change with the count of updates, as plain data. One may stand where a learning rate or a weight decay
 * stands; its value is computed within the update, so nothing is traced again. In the formulas s counts updates from 0.
 */
import { OptimizerError } from "./errors.ts";
import type { Range } from "./settings.ts";
import { checkSettings, count, countOrZero, fraction, nonNegative, positive } from "./settings.ts";

/** A number, or a schedule of numbers. */
export type Rate = number | Schedule;

export type Schedule =
  | { readonly name: "constantRate"; readonly value: number }
  | { readonly name: "stepDecay"; readonly from: number; readonly factor: number; readonly every: number }
  | { readonly name: "multistepDecay"; readonly from: number; readonly factor: number; readonly at: readonly number[] }
  | { readonly name: "exponentialDecay"; readonly from: number; readonly factor: number }
  | { readonly name: "cosine"; readonly from: number; readonly to: number; readonly steps: number }
  | { readonly name: "cosineRestarts"; readonly from: number; readonly to: number; readonly period: number }
  | {
      readonly name: "warmupCosine";
      readonly peak: number;
      readonly to: number;
      readonly warmup: number;
      readonly steps: number;
    }
  | {
      readonly name: "polynomial";
      readonly from: number;
      readonly to: number;
      readonly steps: number;
      readonly power: number;
    }
  | { readonly name: "linearWarmup"; readonly to: number; readonly steps: number }
  | { readonly name: "inverseSqrt"; readonly peak: number; readonly warmup: number }
  | {
      readonly name: "oneCycle";
      readonly peak: number;
      readonly steps: number;
      readonly warmupFraction: number;
      readonly startDivisor: number;
      readonly finalDivisor: number;
      readonly anneal: "cosine" | "linear";
    }
  | { readonly name: "adjustable"; readonly initial: number };

/** A rate that does not wait to be adjusted: what a weight decay may be. */
export type FixedRate = number | Exclude<Schedule, { name: "adjustable" }>;

type ScheduleOf<N extends Schedule["name"]> = Extract<Schedule, { name: N }>;
/** Settings of a schedule; those in `D` have a default. */
type Options<N extends Schedule["name"], D extends string = never> = Omit<ScheduleOf<N>, "name" | D> &
  Partial<Omit<ScheduleOf<N>, "name">>;

/** Always `value`. */
export const constantRate = (value: number): ScheduleOf<"constantRate"> => checked({ name: "constantRate", value });

/** from · factor^⌊s / every⌋ */
export const stepDecay = (options: Options<"stepDecay">): ScheduleOf<"stepDecay"> =>
  checked({ name: "stepDecay", ...options });

/** from · factor^(how many of `at` are ≤ s) */
export const multistepDecay = (options: Options<"multistepDecay">): ScheduleOf<"multistepDecay"> =>
  checked({ name: "multistepDecay", ...options });

/** from · factor^s */
export const exponentialDecay = (options: Options<"exponentialDecay">): ScheduleOf<"exponentialDecay"> =>
  checked({ name: "exponentialDecay", ...options });

/** to + (from − to)·(1 + cos(π s / steps)) / 2, then `to` (default 0). */
export const cosine = (options: Options<"cosine", "to">): ScheduleOf<"cosine"> =>
  checked({ name: "cosine", to: 0, ...options });

/** As `cosine`, beginning again every `period` updates (Loshchilov and Hutter 2017). */
export const cosineRestarts = (options: Options<"cosineRestarts", "to">): ScheduleOf<"cosineRestarts"> =>
  checked({ name: "cosineRestarts", to: 0, ...options });

/** peak·(s + 1)/warmup while s < warmup; then the cosine from `peak` to `to` (default 0) over the rest of `steps`. */
export const warmupCosine = (options: Options<"warmupCosine", "to">): ScheduleOf<"warmupCosine"> =>
  checked({ name: "warmupCosine", to: 0, ...options });

/** to + (from − to)·(1 − min(s, steps)/steps)^power; `to` is 0 and `power` 1, a straight line, unless given. */
export const polynomial = (options: Options<"polynomial", "to" | "power">): ScheduleOf<"polynomial"> =>
  checked({ name: "polynomial", to: 0, power: 1, ...options });

/** to·min(1, (s + 1)/steps) */
export const linearWarmup = (options: Options<"linearWarmup">): ScheduleOf<"linearWarmup"> =>
  checked({ name: "linearWarmup", ...options });

/** peak·min((s + 1)/warmup, √(warmup/(s + 1))) (Vaswani et al. 2017). */
export const inverseSqrt = (options: Options<"inverseSqrt">): ScheduleOf<"inverseSqrt"> =>
  checked({ name: "inverseSqrt", ...options });

/**
 * Up from peak/startDivisor to `peak`, down to peak/(startDivisor·finalDivisor), in two phases that meet at
 * s = warmupFraction·steps − 1 (Smith and Topin 2018; PyTorch's OneCycleLR and its defaults).
 */
export const oneCycle = (
  options: Options<"oneCycle", "warmupFraction" | "startDivisor" | "finalDivisor" | "anneal">,
): ScheduleOf<"oneCycle"> =>
  checked({
    name: "oneCycle",
    warmupFraction: 0.3,
    startDivisor: 25,
    finalDivisor: 1e4,
    anneal: "cosine",
    ...options,
  });

/** A learning rate that is kept in the state, where `withLearningRate` changes it: for rules that look at a metric. */
export const adjustable = (initial: number): ScheduleOf<"adjustable"> => checked({ name: "adjustable", initial });

const increasing: Range = {
  text: "a list of increasing whole numbers",
  holds: (value) =>
    Array.isArray(value) &&
    value.every((each, i) => countOrZero.holds(each) && (i === 0 || (each as number) > (value[i - 1] as number))),
};
const annealing: Range = {
  text: '"cosine" or "linear"',
  holds: (value) => value === "cosine" || value === "linear",
};

/** Each schedule's settings and what they may be. */
const settings: { readonly [N in Schedule["name"]]: Record<Exclude<keyof ScheduleOf<N>, "name">, Range> } = {
  constantRate: { value: nonNegative },
  stepDecay: { from: nonNegative, factor: positive, every: count },
  multistepDecay: { from: nonNegative, factor: nonNegative, at: increasing },
  exponentialDecay: { from: nonNegative, factor: positive },
  cosine: { from: nonNegative, to: nonNegative, steps: count },
  cosineRestarts: { from: nonNegative, to: nonNegative, period: count },
  warmupCosine: { peak: nonNegative, to: nonNegative, warmup: countOrZero, steps: count },
  polynomial: { from: nonNegative, to: nonNegative, steps: count, power: positive },
  linearWarmup: { to: nonNegative, steps: count },
  inverseSqrt: { peak: nonNegative, warmup: count },
  oneCycle: {
    peak: nonNegative,
    steps: count,
    warmupFraction: fraction,
    startDivisor: positive,
    finalDivisor: positive,
    anneal: annealing,
  },
  adjustable: { initial: nonNegative },
};

/** @throws {OptimizerError} unless `value` is a schedule, whole and with no setting that is unknown */
export function checkSchedule(value: object): Schedule {
  const { name, ...given } = value as { name?: unknown };
  if (typeof name !== "string" || !Object.hasOwn(settings, name)) {
    throw new OptimizerError(`unknown schedule ${JSON.stringify(name)}; known are ${Object.keys(settings).join(", ")}`);
  }
  const known: Readonly<Record<string, Range>> = settings[name as Schedule["name"]];
  for (const setting of Object.keys(given)) {
    if (!Object.hasOwn(known, setting)) {
      throw new OptimizerError(`${name}: unknown setting ${setting}; known are ${Object.keys(known).join(", ")}`);
    }
  }
  const schedule = value as Schedule;
  checkSettings(schedule, known);
  if (schedule.name === "warmupCosine" && schedule.warmup >= schedule.steps) {
    throw new OptimizerError(
      `warmupCosine: the warm-up of ${schedule.warmup} must be shorter than all ${schedule.steps} steps`,
    );
  }
  return schedule;
}

function checked<S extends Schedule>(schedule: S): S {
  checkSchedule(schedule);
  return schedule;
}

/** A number of at least 0 or a schedule. */
export const rate: Range = {
  text: "a number of at least 0 or a schedule",
  holds: (value) => {
    if (typeof value !== "object" || value === null) return nonNegative.holds(value);
    checkSchedule(value);
    return true;
  },
};

/** The same without `adjustable`. */
export const fixedRate: Range = {
  text: `${rate.text} other than adjustable`,
  holds: (value) => rate.holds(value) && (typeof value !== "object" || (value as Schedule).name !== "adjustable"),
};
