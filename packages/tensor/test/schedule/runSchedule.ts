/** Runs a Schedule by plain loops, the way its types say it is meant; the oracle for what the scheduler makes. */
import type { Access, Loop, LoopOp, Program, Schedule, Step, TensorData } from "@weft/tensor";
import { allocate, arrayOf, sizeOf, valueTypes } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";

/** The scheduled program's outputs. */
export function runSchedule(program: Program, schedule: Schedule, inputs: readonly TensorData[]): TensorData[] {
  const buffers = schedule.buffers.map(({ dtype, size }, i): TensorData => {
    const given = inputs[i] ?? schedule.literals[i - schedule.inputs];
    return given ? given.slice() : allocate(dtype, size);
  });
  for (const step of schedule.steps) runStep(step, buffers);
  const types = valueTypes(program);
  return schedule.outputs.map(({ buffer, offset }, i) => {
    const size = sizeOf(types[program.outputs[i]!]!.shape);
    return buffers[buffer]!.slice(offset, offset + size);
  });
}

function runStep(step: Step, buffers: readonly TensorData[]): void {
  if (step.kind === "loop") {
    runLoop(
      step.loop,
      step.reads.map((buffer) => buffers[buffer]!),
      step.writes.map((buffer) => buffers[buffer]!),
    );
    return;
  }
  const operands = step.reads.map(({ buffer, offset }, i) => {
    const size = sizeOf(step.inputs[i]!.shape);
    return buffers[buffer]!.slice(offset, offset + size);
  });
  const { instruction, inputs } = step;
  const results = runInstruction(instruction, inputs, operands);
  results.forEach((result, i) => buffers[step.writes[i]!]!.set(result));
}

function runInstruction(
  instruction: Program["instructions"][number],
  types: Program["inputs"],
  operands: readonly TensorData[],
): TensorData[] {
  const program: Program = {
    inputs: types,
    literals: [],
    instructions: [{ ...instruction, inputs: types.map((_, i) => i) }],
    outputs: instruction.outputs.map((_, i) => types.length + i),
  };
  return createReferenceBackend().compile(program).run(operands) as TensorData[];
}

function runLoop(loop: Loop, reads: readonly TensorData[], writes: readonly TensorData[]): void {
  const index = loop.sizes.map(() => 0);
  const position = ({ offset, strides }: Access) =>
    strides.reduce((sum, stride, i) => sum + stride * index[i]!, offset);
  const values: number[] = [];
  const evaluate = (op: LoopOp): number => {
    switch (op.kind) {
      case "load":
        return reads[op.operand]![position(loop.operands[op.operand]!.access)]!;
      case "constant":
        return op.value;
      case "index":
        return position(op.access);
      default: {
        const { kind, args, dtype } = op;
        const operandTypes = args.map((arg) => ({ shape: [], dtype: loop.ops[arg]!.dtype }));
        const applied =
          kind === "compare"
            ? { primitive: "compare" as const, params: { op: op.op } }
            : { primitive: op.primitive, params: op.primitive === "cast" ? { dtype } : {} };
        const instruction = { ...applied, inputs: [], outputs: [{ shape: [], dtype }] };
        const operands = args.map((arg, i) => arrayOf[operandTypes[i]!.dtype].of(values[arg]!));
        return runInstruction(instruction as never, operandTypes, operands)[0]![0]!;
      }
    }
  };
  const totals = loop.results.map(() => new Map<number, number>());
  for (let left = loop.sizes.reduce((size, n) => size * n, 1); left > 0; left--) {
    loop.ops.forEach((op, i) => (values[i] = evaluate(op)));
    loop.results.forEach(({ op, reduce, access }, i) => {
      const at = position(access);
      const value = values[op]!;
      const before = totals[i]!.get(at);
      if (reduce === undefined) writes[i]![at] = value;
      else
        totals[i]!.set(at, before === undefined ? value : reduce === "sum" ? before + value : Math.max(before, value));
    });
    for (let axis = index.length - 1; axis >= 0 && ++index[axis]! === loop.sizes[axis]; axis--) index[axis] = 0;
  }
  totals.forEach((total, i) => total.forEach((value, at) => (writes[i]![at] = value)));
}
