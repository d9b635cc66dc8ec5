/**
 * Decides which values of a program get a buffer; all others are computed where they are read.
 *
 * Operands of primitives with kernels of their own need one, and so do results. An element-wise value read by several
 * loops gets one when computing it again would cost more than loading it.
 */
import type { Instruction } from "../program.ts";
import type { Definitions } from "./definitions.ts";
import { isView } from "./definitions.ts";
import { isElementwise } from "./loopBuilder.ts";

export interface Stored {
  readonly values: ReadonlySet<number>;
  /** Those that could be computed on the spot, and lose their buffer if only their own loop reads them. */
  readonly optional: ReadonlySet<number>;
}

/** Work beyond which a value is kept rather than computed again by each of its readers. */
const recomputeLimit = 3;
/** Operations on end beyond which a value is kept in any case, so that no loop grows without bound. */
const longestChain = 100;

export function chooseStored(definitions: Definitions, demanded: ReadonlySet<number>): Stored {
  const values = new Set(demanded);
  const { program, firstOutput, types } = definitions;
  const given = program.inputs.length + program.literals.length;
  for (let value = 0; value < given; value++) values.add(value);
  program.instructions.forEach((instruction, i) => {
    if (kindOf(instruction) === "inline") return;
    instruction.outputs.forEach((_, output) => values.add(firstOutput[i]! + output));
  });
  const demand = (value: number) => {
    if (definitions.locate(value, values)) return;
    let base = value;
    for (let at = definitions.instructionOf(base); at?.primitive === "reshape"; at = definitions.instructionOf(base)) {
      base = at.inputs[0]!;
    }
    values.add(base);
  };
  for (const instruction of program.instructions) {
    if (kindOf(instruction) === "kernel") instruction.inputs.forEach(demand);
  }
  program.outputs.forEach(demand);

  for (const value of chainEnds(definitions, values)) values.add(value);

  const readers = readersOf(definitions);
  const costs = recomputeCosts(definitions, values);
  const optional = new Set<number>();
  /** The stored values into whose loops a value is inlined, and whether a broadcast repeats it there. */
  const loops: { roots: Set<number>; repeated: boolean }[] = [];
  for (let value = types.length - 1; value >= given; value--) {
    const roots = new Set<number>();
    let repeated = false;
    for (const { instruction, result } of readers[value] ?? []) {
      if (kindOf(instruction) === "kernel") continue;
      const next = values.has(result) ? undefined : loops[result];
      for (const root of next?.roots ?? [result]) roots.add(root);
      repeated ||= (next?.repeated ?? false) || repeats(definitions, instruction, value);
    }
    loops[value] = { roots, repeated };
    const instruction = definitions.instructionOf(value)!;
    if (values.has(value) || !computes(instruction)) continue;
    const cost = costs[value] ?? 0;
    if (cost > recomputeLimit && (roots.size > 1 || repeated)) {
      values.add(value);
      optional.add(value);
    }
  }
  return { values, optional };
}

const computes = (instruction: Instruction) =>
  isElementwise(instruction.primitive) || instruction.primitive === "compare";

/** How an instruction is carried out: inside loops, as a loop of its own, or by a kernel. */
export function kindOf(instruction: Instruction): "inline" | "loop" | "kernel" {
  switch (instruction.primitive) {
    case "sum":
    case "reduceMax":
    case "concat":
    case "pad":
      return "loop";
    case "constant":
    case "iota":
      return "inline";
    default:
      return computes(instruction) || isView(instruction) ? "inline" : "kernel";
  }
}

function repeats(definitions: Definitions, instruction: Instruction, operand: number): boolean {
  if (instruction.primitive !== "broadcast") return false;
  return definitions.sizeOf(operand) < (instruction.outputs[0]?.shape ?? []).reduce((size, n) => size * n, 1);
}

interface Reader {
  readonly instruction: Instruction;
  /** Its first result. */
  readonly result: number;
}

function readersOf(definitions: Definitions): Reader[][] {
  const readers: Reader[][] = definitions.types.map(() => []);
  definitions.program.instructions.forEach((instruction, i) => {
    const result = definitions.firstOutput[i]!;
    for (const input of new Set(instruction.inputs)) readers[input]?.push({ instruction, result });
  });
  return readers;
}

/** Values at which chains of inlined operations are cut. */
function chainEnds(definitions: Definitions, stored: ReadonlySet<number>): number[] {
  const lengths: number[] = definitions.types.map(() => 0);
  return definitions.program.instructions.flatMap((instruction, i) => {
    const value = definitions.firstOutput[i]!;
    if (kindOf(instruction) !== "inline" || stored.has(value)) return [];
    const length = 1 + Math.max(0, ...instruction.inputs.map((input) => lengths[input]!));
    const isEnd = length >= longestChain;
    lengths[value] = isEnd ? 0 : length;
    return isEnd ? [value] : [];
  });
}

const slow = new Set(["exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "erf", "pow", "atan2", "rem"]);
const slower = new Set(["div", "sqrt"]);

/** Operations from stored values to each value, weighted. */
function recomputeCosts(definitions: Definitions, stored: ReadonlySet<number>): number[] {
  const costs: number[] = definitions.types.map(() => 0);
  definitions.program.instructions.forEach((instruction, i) => {
    const value = definitions.firstOutput[i]!;
    if (kindOf(instruction) !== "inline") return;
    const own = !computes(instruction)
      ? 0
      : slow.has(instruction.primitive)
        ? 10
        : slower.has(instruction.primitive)
          ? 3
          : 1;
    const below = instruction.inputs.reduce((sum, input) => sum + (stored.has(input) ? 0 : costs[input]!), 0);
    costs[value] = Math.min(own + below, 1e6);
  });
  return costs;
}
