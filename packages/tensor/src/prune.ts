/**
 * Dead-code removal in Programs, through loops: a scan keeps only the results that are read, the carries that those
 * depend on, and the operands that are left; so does a call. Rules may therefore ask a loop for more than is needed in the end.
 */
import type { CallParams, Instruction, Literal, Program, ScanParams, TensorType } from "./program.ts";

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
    const narrow = narrowed(instruction, read);
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
    const needed = narrowed(instruction, read)?.inputs;
    instruction.inputs.forEach((value, n) => {
      if (!needed || needed.includes(n)) live[value] = true;
    });
  }
  return { live, starts };
}

interface Narrow<P> extends Kept {
  readonly params: P;
}

/** A loop or call that computes only the results that are read. */
function narrowed(instruction: Instruction, read: readonly boolean[]): Narrow<ScanParams | CallParams> | undefined {
  if (instruction.primitive === "scan") {
    const { constants, carry, length, reverse } = instruction.params;
    const key = `${constants} ${carry} ${length} ${String(reverse)} ${read.join()}`;
    return remembered(instruction.params, key, (params) => narrowScan(params, read));
  }
  // What a custom gradient reads cannot be told from the body.
  if (instruction.primitive !== "call" || instruction.params.backward) return undefined;
  return remembered(instruction.params, `${String(instruction.params.recompute)} ${read.join()}`, (params) =>
    narrowCall(params, read),
  );
}

const known = new WeakMap<Program, Map<string, unknown>>();

/** Bodies are shared between traces. */
function remembered<P extends ScanParams | CallParams>(
  params: P,
  key: string,
  compute: (params: P) => Narrow<P>,
): Narrow<P> {
  const ofBody = known.get(params.body) ?? new Map<string, unknown>();
  known.set(params.body, ofBody);
  // The key says which of loop and call it is: the one has more words.
  const result = (ofBody.get(key) as Narrow<P> | undefined) ?? compute(params);
  ofBody.set(key, result);
  return result;
}

function narrowCall(params: CallParams, read: readonly boolean[]): Narrow<CallParams> {
  const { body } = params;
  const outputs = [...read.keys()].filter((output) => read[output]);
  const { live } = liveness(
    body,
    outputs.map((output) => body.outputs[output] as number),
  );
  const inputs = [...body.inputs.keys()].filter((input) => live[input] === true);
  return { params: { ...params, body: withoutDeadCode(body, { inputs, outputs }) }, inputs, outputs };
}

function narrowScan(params: ScanParams, read: readonly boolean[]): Narrow<ScanParams> {
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
