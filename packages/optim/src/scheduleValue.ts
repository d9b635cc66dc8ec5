/**
 * The value of a schedule as a scalar of the graph, from the count of updates so far. Written so that f32 holds its digits:
 * counts are i32, and cosines are taken as the square of a sine, which does not cancel where the rate nears its end.
 */
import type { DType, Tensor } from "@weft/tensor";
import { full, where } from "@weft/tensor";
import type { Schedule } from "./schedule.ts";

interface Moment {
  /** Updates before this one: i32, a scalar. */
  readonly updates: Tensor;
  readonly dtype: DType;
}

/** @param schedule any but an adjustable one, whose value is not a matter of counting */
export function scheduleValue(schedule: Exclude<Schedule, { name: "adjustable" }>, moment: Moment): Tensor {
  const { updates, dtype } = moment;
  const float = (x: Tensor) => x.cast(dtype);
  switch (schedule.name) {
    case "constantRate":
      return full([], schedule.value, { dtype });
    case "stepDecay":
      return power(schedule.factor, float(updates.div(schedule.every))).mul(schedule.from);
    case "multistepDecay": {
      const { from, factor, at } = schedule;
      return at.reduce(
        (value, milestone, i) => where(updates.less(milestone), value, from * factor ** (i + 1)),
        full([], from, { dtype }),
      );
    }
    case "exponentialDecay":
      return power(schedule.factor, float(updates)).mul(schedule.from);
    case "cosine":
      return halfWave(schedule.from, schedule.to, float(remaining(updates, schedule.steps)).div(schedule.steps));
    case "cosineRestarts": {
      const left = float(updates.rem(schedule.period).neg().add(schedule.period));
      return halfWave(schedule.from, schedule.to, left.div(schedule.period));
    }
    case "warmupCosine": {
      const { peak, to, warmup, steps } = schedule;
      const falling = halfWave(peak, to, float(remaining(updates, steps)).div(steps - warmup));
      if (warmup === 0) return falling;
      return where(updates.less(warmup), risen(float(updates), warmup).mul(peak), falling);
    }
    case "polynomial": {
      const { from, to, steps, power: exponent } = schedule;
      return float(remaining(updates, steps))
        .div(steps)
        .pow(exponent)
        .mul(from - to)
        .add(to);
    }
    case "linearWarmup":
      return risen(float(updates), schedule.steps).minimum(1).mul(schedule.to);
    case "inverseSqrt": {
      const { peak, warmup } = schedule;
      const done = float(updates).add(1);
      return done.div(warmup).minimum(done.reciprocal().mul(warmup).sqrt()).mul(peak);
    }
    case "oneCycle":
      return oneCycleValue(schedule, float(updates.minimum(schedule.steps - 1)));
    default:
      return schedule satisfies never;
  }
}

function oneCycleValue(schedule: Extract<Schedule, { name: "oneCycle" }>, updates: Tensor): Tensor {
  const { peak, steps, warmupFraction, startDivisor, finalDivisor, anneal } = schedule;
  const start = peak / startDivisor;
  const end = start / finalDivisor;
  const top = warmupFraction * steps - 1;
  const last = steps - 1;
  /** From `a` where `share` is 1 to `b` where it is 0. */
  const between = (a: number, b: number, share: Tensor) =>
    anneal === "cosine" ? halfWave(a, b, share) : share.mul(a - b).add(b);
  // A cycle of one update has no second phase.
  const falling =
    last > top
      ? between(
          peak,
          end,
          updates
            .neg()
            .add(last)
            .div(last - top),
        )
      : updates.mul(0).add(peak);
  return top > 0 ? where(updates.lessEqual(top), between(peak, start, updates.div(top)), falling) : falling;
}

/** b + (a − b)·(1 + cos(π(1 − share)))/2: `a` where `share` is 1, `b` where it is 0. */
const halfWave = (a: number, b: number, share: Tensor): Tensor =>
  share
    .mul(Math.PI / 2)
    .sin()
    .square()
    .mul(a - b)
    .add(b);

/** Updates left of `steps`, at least 0. */
const remaining = (updates: Tensor, steps: number): Tensor => updates.neg().add(steps).maximum(0);

/** Share of the warm-up that is done after this update. */
const risen = (updates: Tensor, warmup: number): Tensor => updates.add(1).div(warmup);

const power = (base: number, exponent: Tensor): Tensor => exponent.mul(Math.log(base)).exp();
