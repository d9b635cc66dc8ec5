/**
 * Turns a Program into a Schedule: fused loops and kernel calls over buffers, in order. The steps are simplify.ts (a smaller
 * Program), materialise.ts (which values get a buffer), group.ts (which loops become one); memory.ts then places buffers.
 */
import type { Program, TensorType } from "../program.ts";
import { sizeOf } from "../program.ts";
import { Definitions } from "./definitions.ts";
import type { Group } from "./group.ts";
import { groupValues } from "./group.ts";
import type { BuiltLoop } from "./loopRequest.ts";
import { chooseStored } from "./materialise.ts";
import { simplify } from "./simplify.ts";
import type { BufferSpec, Place, Schedule, Step } from "./step.ts";

export interface ScheduleOptions {
  /** Inputs whose place another output will take; results that are such an input are copied out of it first. */
  readonly aliases?: ReadonlyMap<number, number>;
  /** Results from this one on are not merely another result under a second name, but a copy of it. */
  readonly separate?: number | undefined;
}

export function schedule(program: Program, options: ScheduleOptions = {}): Schedule {
  const prepared = copyResults(simplify(program), options);
  const definitions = new Definitions(prepared);
  const demanded = new Set<number>();
  prepared.outputs.forEach((value) => {
    if (definitions.instructionOf(value)?.primitive === "identity") demanded.add(value);
  });
  for (;;) {
    const stored = chooseStored(definitions, demanded);
    const groups = groupValues(definitions, stored);
    if (Array.isArray(groups)) return assemble(definitions, groups);
    if (groups.kind === "conflict" || demanded.has(groups.value))
      throw new Error("a loop of one result has a conflict");
    demanded.add(groups.value);
  }
}

/** Lays out buffers and steps. */
function assemble(definitions: Definitions, groups: readonly Group[]): Schedule {
  const { program, types } = definitions;
  const given = program.inputs.length + program.literals.length;
  const bufferOf = new Map<number, number>();
  const buffers: BufferSpec[] = [];
  const addBuffer = (value: number) => {
    bufferOf.set(value, buffers.length);
    buffers.push({ dtype: types[value]!.dtype, size: definitions.sizeOf(value) });
  };
  for (let value = 0; value < given; value++) addBuffer(value);
  for (const group of groups) group.values.forEach(addBuffer);

  const stored = new Set(bufferOf.keys());
  const placeOf = (value: number): Place => {
    const place = definitions.locate(value, stored);
    if (!place) throw new Error(`value ${value} has no buffer`);
    return { buffer: bufferOf.get(place.value)!, offset: place.offset };
  };
  const loopStep = ({ loop, reads, writes }: BuiltLoop): Step => ({
    kind: "loop",
    loop,
    reads: reads.map((value) => bufferOf.get(value)!),
    writes: writes.map((value) => bufferOf.get(value)!),
  });
  const steps = groups.flatMap(({ work, values }): Step[] => {
    if (work.kind === "fused") return [loopStep(work.loop)];
    if (work.kind === "assembly") return work.loops.map(loopStep);
    const { instruction } = work;
    return [
      {
        kind: "primitive",
        instruction,
        inputs: instruction.inputs.map((value): TensorType => types[value]!),
        reads: instruction.inputs.map(placeOf),
        writes: values.map((value) => bufferOf.get(value)!),
      },
    ];
  });
  return {
    buffers,
    inputs: program.inputs.length,
    literals: program.literals.map(({ data }) => data),
    steps: steps.filter((step) => step.writes.some((buffer) => buffers[buffer]!.size > 0)),
    outputs: program.outputs.map(placeOf),
  };
}

/** A result that is (part of) an input about to be overwritten becomes a copy, and so does one that is to be separate. */
function copyResults(program: Program, { aliases = new Map(), separate = Infinity }: ScheduleOptions): Program {
  const donated = new Set(aliases.values());
  if (donated.size === 0 && separate === Infinity) return program;
  const definitions = new Definitions(program);
  let next = definitions.types.length;
  const copies: Program["instructions"][number][] = [];
  const outputs = program.outputs.map((value, output) => {
    const base = definitions.locate(value, donated)?.value;
    const staysInPlace =
      base === aliases.get(output) && sizeOf(definitions.shapeOf(value)) === definitions.sizeOf(base ?? 0);
    const isSecond = output >= separate && program.outputs.indexOf(value) < output;
    if ((base === undefined || staysInPlace) && !isSecond) return value;
    copies.push({ primitive: "identity", params: {}, inputs: [value], outputs: [definitions.types[value]!] });
    return next++;
  });
  return { ...program, instructions: [...program.instructions, ...copies], outputs };
}
