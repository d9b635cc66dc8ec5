/**
 * Dead-code removal in Programs, through loops: a scan keeps only the results that are read, the carries that those
 * depend on, and the operands that are left. Rules may therefore ask a loop for more than is needed in the end.
 */
import type { Instruction, Literal, Program, ScanParams, TensorType } from "./program.ts";

/** Positions among a program's inputs and outputs, increasing. */
interface Kept {
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/** The same function without what its outputs do not need; inputs stay unless `kept` leaves them out. */
export function withoutDeadCode(program: Program, kept?: Kept): Program {
  const outputs = kept ? kept.outputs.map((i) => program.outputs[i] as number) : program.outputs;
  const { live, starts } = liveness(program, outputs);
  const renumbered = new Map<number, number>();
  const keep = (value: number) => renumbered.set(value, renumbered.size);
  const at = (value: number): number => {
    const result = renumbered.get(value);
    if (result === undefined) throw new Error(`value ${value} is read but was removed`);
    return result;
  };

  const inputs = kept ? kept.inputs : [...program.inputs.keys()];
  inputs.forEach(keep);
  const literals: Literal[] = [];
  program.literals.forEach((literal, i) => {
    const value = program.inputs.length + i;
    if (!live[value]) return;
    keep(value);
    literals.push(literal);
  });
  const instructions: Instruction[] = [];
  program.instructions.forEach((instruction, i) => {
    const start = starts[i] ?? 0;
    const read = instruction.outputs.map((_, output) => live[start + output] === true);
    if (!read.includes(true)) return;
    const narrow = instruction.primitive === "scan" ? narrowScan(instruction.params, read) : undefined;
    const results = narrow?.outputs ?? instruction.outputs.keys();
    const operands = narrow ? narrow.inputs.map((n) => instruction.inputs[n] as number) : instruction.inputs;
    const types: TensorType[] = [];
    for (const output of results) {
      keep(start + output);
      types.push(instruction.outputs[output] as TensorType);
    }
    const params = narrow?.params ?? instruction.params;
    instructions.push({ ...instruction, params, inputs: operands.map(at), outputs: types } as Instruction);
  });
  return {
    inputs: inputs.map((i) => program.inputs[i] as TensorType),
    literals,
    instructions,
    outputs: outputs.map(at),
  };
}

/** Which values `outputs` need, and the first value number of each instruction. */
function liveness(program: Program, outputs: readonly number[]): { live: boolean[]; starts: number[] } {
  const live: boolean[] = [];
  const starts: number[] = [];
  let next = program.inputs.length + program.literals.length;
  for (const instruction of program.instructions) {
    starts.push(next);
    next += instruction.outputs.length;
  }
  for (const value of outputs) live[value] = true;
  for (let i = program.instructions.length - 1; i >= 0; i--) {
    const instruction = program.instructions[i] as Instruction;
    const read = instruction.outputs.map((_, output) => live[(starts[i] ?? 0) + output] === true);
    if (!read.includes(true)) continue;
    const needed = instruction.primitive === "scan" ? narrowScan(instruction.params, read).inputs : undefined;
    instruction.inputs.forEach((value, n) => {
      if (!needed || needed.includes(n)) live[value] = true;
    });
  }
  return { live, starts };
}

interface NarrowScan extends Kept {
  readonly params: ScanParams;
}

const narrowed = new WeakMap<Program, Map<string, NarrowScan>>();

/** The loop that computes only the results that are read; remembered, because bodies are shared between traces. */
function narrowScan(params: ScanParams, read: readonly boolean[]): NarrowScan {
  const known = narrowed.get(params.body) ?? new Map<string, NarrowScan>();
  narrowed.set(params.body, known);
  const key = `${params.constants} ${params.carry} ${params.length} ${params.reverse} ${read.join()}`;
  const result = known.get(key) ?? computeNarrowScan(params, read);
  known.set(key, result);
  return result;
}

function computeNarrowScan(params: ScanParams, read: readonly boolean[]): NarrowScan {
  const { body, constants, carry } = params;
  const isCarry = (input: number) => input >= constants && input < constants + carry;
  const wanted = new Set([...read.keys()].filter((output) => read[output]));
  let inputs: number[] = [];
  for (let size = -1; size !== wanted.size;) {
    size = wanted.size;
    const { live } = liveness(
      body,
      [...wanted].map((output) => body.outputs[output] as number),
    );
    inputs = [...body.inputs.keys()].filter(
      (input) => live[input] === true || (wanted.has(input - constants) && isCarry(input)),
    );
    for (const input of inputs) if (isCarry(input)) wanted.add(input - constants);
  }
  const outputs = [...wanted].toSorted((a, b) => a - b);
  if (inputs.length === body.inputs.length && outputs.length === body.outputs.length)
    return { params, inputs, outputs };
  const narrow = {
    ...params,
    body: withoutDeadCode(body, { inputs, outputs }),
    constants: inputs.filter((input) => input < constants).length,
    carry: inputs.filter(isCarry).length,
  };
  return { params: narrow, inputs, outputs };
}
