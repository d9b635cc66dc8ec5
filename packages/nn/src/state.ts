/** What models remember between the parts of a sequence: the state of recurrent layers, the keys and values of attention. */
import type { Tensor } from "@weft/tensor";
import { typeText, zeros } from "@weft/tensor";
import { ModelError, ParameterError } from "./errors.ts";
import type { StateType } from "./layer.ts";
import type { Run } from "./run.ts";

/** By path, such as `lstm.h`; plain tensors, so it differentiates and traces like parameters. */
export type State = Readonly<Record<string, Tensor>>;

type StateRun = Pick<Run, "inParts" | "state">;

/** A run of whole sequences: no layer remembers anything. */
export const stateless: StateRun = { inParts: false, state: () => undefined };

/** A run of the next part: layers read `before` and what they leave goes into `after`. */
export function continuedState(before: State, after: Record<string, Tensor>): StateRun {
  return {
    inParts: true,
    state(path, type) {
      const value = (after[path] ??= fitting(path, before[path], type));
      return { value, update: (next) => (after[path] = fitting(path, next, type)) };
    },
  };
}

/** A run that makes the first state, zeros. */
export function firstState(made: Record<string, Tensor>, length: number | undefined): StateRun {
  return {
    inParts: true,
    state(path, { shape, dtype }) {
      const sizes = shape.map((size) => (size === "length" ? (length ?? missingLength(path)) : size));
      const value = (made[path] ??= zeros(sizes, { dtype }));
      return { value, update: () => undefined };
    },
  };
}

function fitting(path: string, value: Tensor | undefined, { shape, dtype }: StateType): Tensor {
  const fits =
    value?.dtype === dtype &&
    value.rank === shape.length &&
    shape.every((size, axis) => size === "length" || size === value.shape[axis]);
  if (fits) return value;
  throw new ParameterError(
    `${path}: expected a state of ${dtype}[${shape.join(",")}], got ${value ? typeText(value) : "none"}; ` +
      "take it from initialState(model, input, { length }), for the same batch",
  );
}

function missingLength(path: string): never {
  throw new ModelError(
    `${path}: the cache needs a size; call initialState(model, input, { length }) with the most positions of a sequence`,
  );
}
