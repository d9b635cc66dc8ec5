/**
 * The server optimiser over one run of elements of the flat vector: an `optim` update traced and compiled like any Program.
 * Every optimiser there works element by element, so run by run gives the bits of the whole at once.
 */
import { createOptimizer } from "@weft/optim/createOptimizer";
import {
  currentBackend,
  placeholder,
  type Resident,
  type Tensor,
  type TensorData,
  type TensorType,
  toProgram,
} from "@weft/tensor";
import { CoordinatorOptionsError } from "../errors.ts";
import { checkElementwise } from "./checkElementwise.ts";

export type StepValue = TensorData | Resident;

export interface ServerStep {
  /** Types of the optimiser's state for `elements`. */
  readonly stateTypes: readonly TensorType[];
  /** The state before the first step. */
  initialize(): Promise<readonly StepValue[]>;
  /** One step. What it returns is handed back at the next: when it is donated, it never leaves the backend's memory. */
  run(
    parameters: StepValue,
    gradient: Float32Array,
    state: readonly StepValue[],
  ): Promise<{ readonly parameters: StepValue; readonly state: readonly StepValue[] }>;
  dispose(): void;
}

/**
 * Compiles the step for `elements` on the current backend.
 *
 * @throws {OptimizerError} for a specification that names no optimiser
 * @throws {CoordinatorOptionsError} for an optimiser that does not work element by element
 * @param donate parameters and state are updated in place; only for a step that serves one run of elements alone
 */
export function compileServerStep(spec: unknown, elements: number, donate: boolean): ServerStep {
  const optimizer = createOptimizer(spec);
  // What depends on the shape of a parameter, as Muon does, cannot be seen in the program of a flat vector.
  if (!optimizer.elementwise) {
    throw new CoordinatorOptionsError(
      `server optimiser ${optimizer.spec.name} looks at the shapes or norms of whole parameters; the coordinator steps one flat ` +
        "vector: use one that works element by element, such as sgd or adam, and normBound in place of clipping by norm",
    );
  }
  const type: TensorType = { shape: [elements], dtype: "f32" };
  const gradient = placeholder(type);
  const parameter = placeholder(type);
  const initial = optimizer.init([parameter]);
  const stateTypes = initial.map(({ shape, dtype }): TensorType => ({ shape, dtype }));
  const state = stateTypes.map(placeholder);
  const next = optimizer.update([parameter], [gradient], state);
  // Output i takes the place of input i: first the parameters, then each part of the state.
  const aliases = new Map([0, ...stateTypes.map((_, i) => i + 1)].map((place) => [place, place]));
  const program = toProgram([...next.parameters, ...next.state], [parameter, ...state, gradient]);
  checkElementwise(program, elements, optimizer.spec.name);
  const step = currentBackend().compile(program, donate ? { aliases } : {});
  return {
    stateTypes,
    initialize: () => computeOnce(initial, [parameter], [new Float32Array(elements)]),
    async run(parameters, update, before) {
      const answer = step.run([parameters, ...before, update]);
      // A synchronous backend answers at once; awaiting it would cost a turn of the queue.
      const [stepped, ...after] = answer instanceof Promise ? await answer : answer;
      if (stepped === undefined) throw new Error("an optimiser gave no parameters");
      return { parameters: stepped, state: after };
    },
    dispose: () => {
      step.dispose();
    },
  };
}

/** Runs a graph that is needed once. */
async function computeOnce(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  values: readonly TensorData[],
): Promise<readonly StepValue[]> {
  if (outputs.length === 0) return [];
  const executable = currentBackend().compile(toProgram(outputs, inputs));
  const computed = await executable.run(values);
  executable.dispose();
  return computed;
}
