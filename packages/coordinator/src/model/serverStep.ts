/**
 * The server optimiser over one block of the flat vector: an `optim` update traced and compiled like any Program. Every
 * optimiser there works element by element, so block by block gives the bits of the whole at once, in the memory of a block.
 */
import { createOptimizer } from "@weft/optim";
import {
  currentBackend,
  type Executable,
  isResident,
  placeholder,
  type Tensor,
  type TensorData,
  type TensorType,
  toProgram,
} from "@weft/tensor";

export interface ServerStep {
  /** Types of the optimiser's state for a vector of `elements`. */
  readonly stateTypes: readonly TensorType[];
  /** The state before the first step. */
  initialize(): Promise<readonly TensorData[]>;
  /** @returns the parameters and the state after one step; inputs stay as they are */
  run(
    parameters: Float32Array,
    gradient: Float32Array,
    state: readonly TensorData[],
  ): Promise<{ readonly parameters: TensorData; readonly state: readonly TensorData[] }>;
  dispose(): void;
}

/** Compiles the step for blocks of `elements` on the current backend. */
export function compileServerStep(spec: unknown, elements: number): ServerStep {
  const optimizer = createOptimizer(spec);
  const backend = currentBackend();
  const type: TensorType = { shape: [elements], dtype: "f32" };
  const parameter = placeholder(type);
  const gradient = placeholder(type);
  const initial = optimizer.init([parameter]);
  const stateTypes = initial.map(({ shape, dtype }): TensorType => ({ shape, dtype }));
  const state = stateTypes.map(placeholder);
  const next = optimizer.update([parameter], [gradient], state);
  const step = backend.compile(toProgram([...next.parameters, ...next.state], [parameter, gradient, ...state]));
  return {
    stateTypes,
    initialize: () => computeOnce(initial, [parameter], [new Float32Array(elements)]),
    async run(parameters, update, before) {
      const [stepped, ...after] = await runOn(step, [parameters, update, ...before]);
      if (stepped === undefined) throw new Error("an optimiser gave no parameters");
      return { parameters: stepped, state: after };
    },
    dispose: () => {
      step.dispose();
    },
  };
}

/** Runs a graph that is needed once. */
export async function computeOnce(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  values: readonly TensorData[],
): Promise<readonly TensorData[]> {
  if (outputs.length === 0) return [];
  const executable = currentBackend().compile(toProgram(outputs, inputs));
  try {
    return await runOn(executable, values);
  } finally {
    executable.dispose();
  }
}

async function runOn(executable: Executable, values: readonly TensorData[]): Promise<TensorData[]> {
  const answer = executable.run(values);
  // A synchronous backend answers at once; awaiting it would cost a turn of the queue per block.
  const outputs = answer instanceof Promise ? await answer : answer;
  return outputs.map((output) => (isResident(output) ? output.read() : output));
}
