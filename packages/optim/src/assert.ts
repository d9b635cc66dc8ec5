/** Checks that the lists given to an update belong together. */
import type { Tensor } from "@weft/tensor";
import { typeText } from "@weft/tensor";
import { OptimizerStateError } from "./errors.ts";

/** The entry that the checks below have made sure of. */
export function at<T>(entries: readonly (T | undefined)[], index = 0): T {
  const entry = entries[index];
  if (entry === undefined) throw new Error(`no entry ${index} of ${entries.length}`);
  return entry;
}

/** @throws {OptimizerStateError} unless there is a gradient of its type for each parameter */
export function assertMatching(name: string, parameters: readonly Tensor[], gradients: readonly Tensor[]): void {
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

/** @throws {OptimizerStateError} unless the state has the types of `expected`, that is of what `init` gives */
export function assertState(
  name: string,
  { expected, state }: { readonly expected: readonly Tensor[]; readonly state: readonly Tensor[] },
): void {
  const [wanted, got] = [expected, state].map((tensors) => tensors.map(typeText).join(" "));
  if (wanted === got) return;
  throw new OptimizerStateError(
    `${name}: expected a state of ${expected.length} tensors [${wanted}], got ${state.length} [${got}]; ` +
      "pass what init(parameters) or the last update gave",
  );
}
