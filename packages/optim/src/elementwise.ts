/** Lifts a rule for one parameter to an optimiser over a list of them. */
import type { Tensor } from "@weft/tensor";
import { typeText, zeros } from "@weft/tensor";
import { OptimizerStateError } from "./errors.ts";
import type { Optimizer } from "./optimizer.ts";
import type { OptimizerSpec } from "./spec.ts";

/** A step for one parameter, made of element-by-element operations alone, so that a backend can run it in one pass. */
export interface ElementwiseRule {
  /** How many tensors of state each parameter has; they have its type and start as zeros. */
  readonly slots: number;
  /** True when the rule needs the number of the update: one scalar more in the state, last, starting at zero. */
  readonly countsSteps: boolean;
  update(input: RuleInput): { parameter: Tensor; slots: readonly Tensor[] };
}

export interface RuleInput {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly slots: readonly Tensor[];
  /** Scalar of the parameter's dtype: 1 in the first update. A constant 0 when the rule does not count. */
  readonly step: Tensor;
}

/** The state holds the first slot of every parameter, then the second slot of every parameter, …, then the step count. */
export function elementwise<Spec extends OptimizerSpec>(spec: Spec, rule: ElementwiseRule): Optimizer<Spec> {
  return {
    spec,
    init(parameters) {
      const slots = Array.from({ length: rule.slots }, () => parameters.map(zerosLike)).flat();
      return rule.countsSteps ? [...slots, zeros([], { dtype: parameters[0]?.dtype ?? "f32" })] : slots;
    },
    update(parameters, gradients, state) {
      assertMatching(spec.name, parameters, gradients);
      assertState(spec.name, rule, { parameters, state });
      const count = parameters.length;
      const step = rule.countsSteps ? state.at(-1)?.add(1) : undefined;
      const results = parameters.map((parameter, i) =>
        rule.update({
          parameter,
          gradient: at(gradients, i),
          slots: Array.from({ length: rule.slots }, (_, slot) => at(state, slot * count + i)),
          step: step?.cast(parameter.dtype) ?? zeros([], { dtype: parameter.dtype }),
        }),
      );
      const slots = Array.from({ length: rule.slots }, (_, slot) => results.map((result) => at(result.slots, slot)));
      return {
        parameters: results.map((result) => result.parameter),
        state: step ? [...slots.flat(), step] : slots.flat(),
      };
    },
  };
}

const zerosLike = ({ shape, dtype }: Tensor) => zeros(shape, { dtype });

function at(tensors: readonly Tensor[], index: number): Tensor {
  const tensor = tensors[index];
  if (!tensor) throw new Error(`no tensor ${index} of ${tensors.length}`);
  return tensor;
}

function assertMatching(name: string, parameters: readonly Tensor[], gradients: readonly Tensor[]): void {
  if (parameters.length !== gradients.length) {
    throw new OptimizerStateError(
      `${name}: ${parameters.length} parameters and ${gradients.length} gradients; give one gradient for each parameter`,
    );
  }
  parameters.forEach((parameter, i) => {
    const gradient = at(gradients, i);
    if (typeText(parameter) !== typeText(gradient)) {
      throw new OptimizerStateError(
        `${name}: parameter ${i} is ${typeText(parameter)}, its gradient ${typeText(gradient)}; give them in the same order`,
      );
    }
  });
}

function assertState(
  name: string,
  rule: ElementwiseRule,
  { parameters, state }: { parameters: readonly Tensor[]; state: readonly Tensor[] },
): void {
  const expected = Array.from({ length: rule.slots }, () => parameters.map(shapeText)).flat();
  if (rule.countsSteps) expected.push("[]");
  const got = state.map(shapeText);
  if (expected.join(" ") !== got.join(" ")) {
    throw new OptimizerStateError(
      `${name}: expected a state of ${expected.length} tensors [${expected.join(" ")}], got ${got.length} [${got.join(" ")}]; ` +
        "pass what init(parameters) or the last update gave",
    );
  }
}

const shapeText = ({ shape }: Tensor) => `[${shape.join()}]`;
