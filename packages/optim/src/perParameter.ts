/** Lifts a rule for one parameter to an optimiser over a list of them, with schedules, weight decay and the count of updates. */
import type { DType, Tensor, TensorLike } from "@weft/tensor";
import { full, lift, scalar, zeros } from "@weft/tensor";
import { assertMatching, assertState, at } from "./assert.ts";
import type { Optimizer } from "./optimizer.ts";
import type { FixedRate, Rate, Schedule } from "./schedule.ts";
import { scheduleValue } from "./scheduleValue.ts";

/** A step for one parameter. */
export interface Rule {
  /** What each tensor of state of a parameter is filled with at first; they have its shape and type. */
  readonly slots: readonly number[];
  /** Default true: made of element-by-element operations alone, so that a backend can run it in one pass. */
  readonly elementwise?: boolean;
  /** True when the rule needs the number of the update. */
  readonly countsSteps?: boolean;
  /** A scalar of state that all parameters share: its first value, and the next from it and the number of the update. */
  readonly shared?: { readonly initial: number; readonly next: (value: Tensor, step: Tensor) => Tensor };
  update(input: RuleInput): { parameter: Tensor; slots: readonly Tensor[] };
}

export interface RuleInput {
  /** Shrunk already where the weight decay is decoupled. */
  readonly parameter: Tensor;
  /** With the weight decay in it where that is coupled. */
  readonly gradient: Tensor;
  readonly slots: readonly Tensor[];
  readonly learningRate: TensorLike;
  readonly weightDecay: TensorLike;
  /** Scalar of the parameter's dtype: 1 in the first update. A constant 0 when nothing counts. */
  readonly step: Tensor;
  /** The shared scalar after this update; a constant 0 when the rule has none. */
  readonly shared: Tensor;
}

export interface RuleSettings {
  readonly name: string;
  readonly learningRate: Rate;
  readonly weightDecay?: FixedRate;
  /** Absent: the rule applies the weight decay itself. */
  readonly decoupledDecay?: boolean;
}

/**
 * The state holds the first slot of every parameter, then the second slot of every parameter, …, then scalars where there is need
 * of them: the shared one, the number of updates (i32), an adjustable learning rate.
 */
export function perParameter<Spec extends RuleSettings>(spec: Spec, rule: Rule): Optimizer<Spec> {
  const counts = rule.countsSteps === true || isCounted(spec.learningRate) || isCounted(spec.weightDecay);
  const adjusts = isAdjustable(spec.learningRate);
  const init = (parameters: readonly Tensor[]): Tensor[] => {
    const dtype = parameters[0]?.dtype ?? "f32";
    const slots = rule.slots.map((value) => parameters.map((each) => full(each.shape, value, { dtype: each.dtype })));
    const scalars = [
      ...(rule.shared ? [full([], rule.shared.initial, { dtype })] : []),
      ...(counts ? [zeros([], { dtype: "i32" })] : []),
      ...(isAdjustable(spec.learningRate) ? [full([], spec.learningRate.initial, { dtype })] : []),
    ];
    return [...slots.flat(), ...scalars];
  };
  return {
    spec,
    elementwise: rule.elementwise ?? true,
    init,
    update(parameters, gradients, state) {
      assertMatching(spec.name, parameters, gradients);
      assertState(spec.name, { expected: init(parameters), state });
      const width = parameters.length;
      const scalars = state.slice(rule.slots.length * width);
      const adjusted = adjusts ? scalars.pop() : undefined;
      const updates = counts ? scalars.pop() : undefined;
      const step = updates?.add(1);
      const shared = rule.shared && scalars[0] && rule.shared.next(scalars[0], at([step]).cast(scalars[0].dtype));
      const rates = createRates({ updates, adjusted });
      const results = parameters.map((parameter, i) => {
        const { dtype } = parameter;
        const valueOf = (rate: Rate) => rates(rate, dtype);
        return rule.update({
          ...decayed({ parameter, gradient: at(gradients, i) }, spec, valueOf),
          slots: rule.slots.map((_, slot) => at(state, slot * width + i)),
          step: step?.cast(dtype) ?? zeros([], { dtype }),
          shared: shared?.cast(dtype) ?? zeros([], { dtype }),
        });
      });
      const next = rule.slots.flatMap((_, slot) => results.map(({ slots }) => at(slots, slot)));
      for (const scalar of [shared, step, adjusted]) if (scalar) next.push(scalar);
      return { parameters: results.map((result) => result.parameter), state: next };
    },
    ...(adjusts && {
      adjust: (state: readonly Tensor[], learningRate: number) =>
        state.with(-1, scalar(learningRate, { dtype: state.at(-1)?.dtype ?? "f32" })),
    }),
  };
}

/** The values of rates in this update, each computed once for a dtype. */
function createRates({ updates, adjusted }: { updates: Tensor | undefined; adjusted: Tensor | undefined }) {
  const known = new Map<DType, Map<Schedule, Tensor>>();
  return (rate: Rate, dtype: DType): TensorLike => {
    if (typeof rate === "number") return rate;
    if (rate.name === "adjustable") return at([adjusted]).cast(dtype);
    const ofType = known.get(dtype) ?? new Map<Schedule, Tensor>();
    const value = ofType.get(rate) ?? scheduleValue(rate, { updates: at([updates]), dtype });
    known.set(dtype, ofType.set(rate, value));
    return value;
  };
}

/** Applies the weight decay that a rule leaves to us. */
function decayed(
  { parameter, gradient }: { parameter: Tensor; gradient: Tensor },
  spec: RuleSettings,
  valueOf: (rate: Rate) => TensorLike,
): Pick<RuleInput, "parameter" | "gradient" | "learningRate" | "weightDecay"> {
  const learningRate = valueOf(spec.learningRate);
  const weightDecay = valueOf(spec.weightDecay ?? 0);
  const rates = { learningRate, weightDecay };
  if (weightDecay === 0 || spec.decoupledDecay === undefined) return { parameter, gradient, ...rates };
  if (!spec.decoupledDecay) return { parameter, gradient: gradient.add(parameter.mul(weightDecay)), ...rates };
  const kept =
    typeof learningRate === "number" && typeof weightDecay === "number"
      ? 1 - learningRate * weightDecay
      : lift(learningRate, parameter.dtype).mul(weightDecay).neg().add(1);
  return { parameter: parameter.mul(kept), gradient, ...rates };
}

const isAdjustable = (rate: Rate | undefined): rate is Extract<Schedule, { name: "adjustable" }> =>
  typeof rate === "object" && rate.name === "adjustable";
const isCounted = (rate: Rate | undefined): boolean => typeof rate === "object" && rate.name !== "adjustable";
