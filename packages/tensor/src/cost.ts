/** What a Program costs to run, before it is run: arithmetic and memory, so that a worker can refuse it. */
import { bytesPerElement } from "./dtype.ts";
import type { Instruction, Program, TensorType } from "./program.ts";
import { sizeOf, valueTypes } from "./program.ts";

export interface Cost {
  /** Arithmetic operations: a multiply-add counts two, a transcendental function one, moving elements none. */
  readonly flops: number;
  /**
   * Most bytes alive at once when every value is kept from its instruction to its last use, inputs, literals and outputs
   * included: what a backend without fusion or in-place work needs.
   */
  readonly peakBytes: number;
  readonly inputBytes: number;
  readonly literalBytes: number;
  readonly outputBytes: number;
}

export function cost(program: Program): Cost {
  const types = valueTypes(program);
  const bytesOf = (value: number) => typeBytes(types[value] as TensorType);
  const inputs = program.inputs.length;
  const { literals, outputs } = program;
  return {
    flops: flopsOf(program, types),
    peakBytes: peakOf(program, bytesOf),
    inputBytes: total(program.inputs.map(typeBytes)),
    literalBytes: total(literals.map(typeBytes)),
    outputBytes: total([...new Set(outputs)].filter((value) => value >= inputs).map(bytesOf)),
  };
}

const total = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum + n, 0);

const typeBytes = ({ shape, dtype }: TensorType): number => sizeOf(shape) * bytesPerElement[dtype];

function flopsOf(program: Program, types: readonly TensorType[]): number {
  return total(
    program.instructions.map((instruction) =>
      instructionFlops(
        instruction,
        instruction.inputs.map((value) => types[value] as TensorType),
      ),
    ),
  );
}

/** Threefry-2x32 with 20 rounds makes two words with about 5 operations a round. */
const flopsPerRandomWord = 50;

function instructionFlops(instruction: Instruction, inputs: readonly TensorType[]): number {
  const result = sizeOf(instruction.outputs[0]?.shape ?? []);
  const [first = 0, second = 0] = inputs.map(({ shape }) => sizeOf(shape));
  switch (instruction.primitive) {
    case "constant":
    case "iota":
    case "identity":
    case "stopGradient":
    case "cast":
    case "reshape":
    case "transpose":
    case "broadcast":
    case "slice":
    case "pad":
    case "concat":
    case "reverse":
    case "gather":
      return 0;
    case "sum":
    case "reduceMax":
    case "argmax":
    case "cumsum":
      return first;
    case "scatterAdd":
      return sizeOf(inputs[2]?.shape ?? []);
    case "randomBits":
      return flopsPerRandomWord * result;
    case "argsort":
      return first * Math.ceil(Math.log2(1 + (inputs[0]?.shape[instruction.params.axis] ?? 0)));
    case "dot": {
      const contracted = instruction.params.lhsContract.map((axis) => inputs[0]?.shape[axis] ?? 0);
      return 2 * result * sizeOf(contracted);
    }
    // each output element of the forward convolution takes one kernel column: spatial × in / groups
    case "conv":
      return 2 * result * sizeOf(inputs[1]?.shape.slice(0, -1) ?? []);
    case "convInputGradient":
      return 2 * first * sizeOf(inputs[1]?.shape.slice(0, -1) ?? []);
    case "convKernelGradient":
      return 2 * second * sizeOf(instruction.outputs[0]?.shape.slice(0, -1) ?? []);
    case "windowMax":
    case "windowSum":
    case "windowGather":
      return result * sizeOf(instruction.params.window);
    case "windowScatter":
      return second * sizeOf(instruction.params.window);
    case "scan": {
      const { body, length } = instruction.params;
      return length * flopsOf(body, valueTypes(body));
    }
    case "call": {
      const { body } = instruction.params;
      return flopsOf(body, valueTypes(body));
    }
    default:
      return result;
  }
}

function peakOf(program: Program, bytesOf: (value: number) => number): number {
  const lastUse = new Map<number, number>();
  program.instructions.forEach(({ inputs }, i) => {
    for (const value of inputs) lastUse.set(value, i);
  });
  let next = program.inputs.length + program.literals.length;
  // inputs and literals belong to the caller and the program, outputs to the caller: they stay
  const kept = new Set([...Array(next).keys(), ...program.outputs]);
  let alive = 0;
  for (let value = 0; value < next; value++) alive += bytesOf(value);
  let peak = alive;
  program.instructions.forEach((instruction, i) => {
    const made = instruction.outputs.map(() => next++);
    alive += total(made.map(bytesOf));
    peak = Math.max(peak, alive + innerBytes(instruction));
    for (const value of new Set([...instruction.inputs, ...made])) {
      if (!kept.has(value) && (lastUse.get(value) ?? -1) <= i) alive -= bytesOf(value);
    }
  });
  return peak;
}

/** What a step of a loop needs beside the loop's own operands and results, or a call beside those. */
function innerBytes(instruction: Instruction): number {
  if (instruction.primitive !== "scan" && instruction.primitive !== "call") return 0;
  const { body } = instruction.params;
  const types = valueTypes(body);
  const peak = peakOf(body, (value) => typeBytes(types[value] as TensorType));
  if (instruction.primitive === "scan") return peak;
  return Math.max(0, peak - total([...body.inputs, ...instruction.outputs].map(typeBytes)));
}
