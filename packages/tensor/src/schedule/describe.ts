/** A schedule as text, one line per step: for debugging and for tests. */
import type { Loop, LoopOp, Schedule } from "./step.ts";

export function describeSchedule({ buffers, steps, outputs }: Schedule): string {
  const name = (buffer: number) => `%${buffer}:${buffers[buffer]!.dtype}[${buffers[buffer]!.size}]`;
  const place = (buffer: number, offset: number) => name(buffer) + (offset ? `+${offset}` : "");
  const lines = steps.map((step) => {
    const made = step.writes.map(name).join(", ");
    if (step.kind === "loop") return `${made} = ${describeLoop(step.loop, step.reads.map(name))}`;
    return `${made} = ${step.instruction.primitive}(${step.reads.map((read) => place(read.buffer, read.offset)).join(", ")})`;
  });
  return [...lines, `return ${outputs.map(({ buffer, offset }) => place(buffer, offset)).join(", ")}`].join("\n");
}

function describeLoop({ sizes, kept, operands, ops, results }: Loop, reads: readonly string[]): string {
  const axes = [sizes.slice(0, kept).join("×") || "1", ...(kept < sizes.length ? [sizes.slice(kept).join("×")] : [])];
  const term = (op: LoopOp): string => {
    if (op.kind === "load") return `${reads[op.operand]!}<${operands[op.operand]!.access.strides.join()}>`;
    if (op.kind === "constant") return String(op.value);
    if (op.kind === "index") return `index<${op.access.strides.join()}>`;
    const args = op.args.map((arg) => term(ops[arg]!)).join(", ");
    return `${op.kind === "compare" ? op.op : op.primitive}(${args})`;
  };
  const value = ({ op, reduce }: Loop["results"][number]) => (reduce ? `${reduce} ` : "") + term(ops[op]!);
  return `loop[${axes.join(" over ")}] ${results.map(value).join("; ")}`;
}
