/** Runs a Program instruction by instruction. */
import type { TensorData } from "../dtype.ts";
import { allocate, roundStored } from "../dtype.ts";
import type { Primitive, PrimitiveParams, Program } from "../program.ts";
import { sizeOf } from "../program.ts";
import { elementwiseKernels } from "./elementwise.ts";
import { contractionKernels } from "./contraction.ts";
import { indexKernels } from "./indexing.ts";
import type { ReferenceKernel, Value } from "./kernel.ts";
import { lineKernels } from "./lines.ts";
import { movementKernels } from "./movement.ts";
import { reductionKernels } from "./reduction.ts";
import { sourceKernels } from "./source.ts";
import { windowKernels } from "./window.ts";

/** The program's outputs for these inputs; they may share memory with inputs and literals. */
export function interpret(program: Program, inputs: readonly TensorData[]): TensorData[] {
  const values: Value[] = [...program.inputs.map((type, i) => ({ ...type, data: inputs[i]! })), ...program.literals];
  for (const instruction of program.instructions) {
    const results = instruction.outputs.map((type) => ({ ...type, data: allocate(type.dtype, sizeOf(type.shape)) }));
    const operands = instruction.inputs.map((value) => values[value]!);
    compute(instruction, results, operands);
    for (const { dtype, data } of results) roundStored(dtype, data);
    values.push(...results);
  }
  return program.outputs.map((value) => values[value]!.data);
}

function compute<P extends Primitive>(
  { primitive, params }: { primitive: P; params: PrimitiveParams[P] },
  results: readonly Value[],
  operands: readonly Value[],
): void {
  const kernel: ReferenceKernel<P> = kernels[primitive];
  kernel(results, operands, params);
}

const scan: ReferenceKernel<"scan"> = (results, operands, { body, length, constants, carry, reverse }) => {
  const shared = operands.slice(0, constants).map(({ data }) => data);
  const sequences = operands.slice(constants + carry);
  let state = operands.slice(constants, constants + carry).map(({ data }) => data);
  for (let count = 0; count < length; count++) {
    const step = reverse ? length - 1 - count : count;
    const slices = sequences.map((sequence) => sliceOf(sequence, step, length));
    const outputs = interpret(body, [...shared, ...state, ...slices]);
    state = outputs.slice(0, carry);
    outputs.slice(carry).forEach((output, i) => {
      sliceOf(results[carry + i]!, step, length).set(output);
    });
  }
  state.forEach((value, i) => {
    results[i]!.data.set(value);
  });
};

const call: ReferenceKernel<"call"> = (results, operands, { body }) => {
  const outputs = interpret(
    body,
    operands.map(({ data }) => data),
  );
  outputs.forEach((output, i) => {
    results[i]!.data.set(output);
  });
};

/** Slice `step` of a value along its axis 0, as a view. */
function sliceOf({ data }: Value, step: number, length: number): TensorData {
  const size = data.length / length;
  return data.subarray(step * size, (step + 1) * size);
}

const kernels: { readonly [P in Primitive]: ReferenceKernel<P> } = {
  ...sourceKernels,
  ...elementwiseKernels,
  ...reductionKernels,
  ...lineKernels,
  ...movementKernels,
  ...contractionKernels,
  ...windowKernels,
  ...indexKernels,
  scan,
  call,
};
