/** Program → Plan: schedules, chooses a kernel for every step, places all buffers in one arena. */
import type { Program, Schedule, Step, TensorType } from "@weft/tensor";
import {
  DTypeError,
  ShapeError,
  bytesPerElement,
  inlineCalls,
  planMemory,
  schedule,
  sizeOf,
  typeText,
  valueTypes,
  widenHalves,
} from "@weft/tensor";
import type { LowerContext, OpenStep } from "./openStep.ts";
import { lowerStep } from "./lower.ts";
import { BufferList } from "./openStep.ts";
import type { BytePlace } from "./openStep.ts";
import { joinLoops } from "./loops/joinedLoops.ts";
import type { KernelTable } from "./kernelTable.ts";
import type { Plan, PlanOutput, PlanStep } from "./plan.ts";
import { storedBytes } from "./plan.ts";

/** Bytes after every buffer that a full vector may read or write. */
const padding = 16;

export interface PlanOptions {
  readonly kernels: KernelTable;
  /** `aliases[output] = input`: leave the output in the input's place. */
  readonly aliases?: ReadonlyMap<number, number>;
  /** How many of the first inputs keep their value, so that the steps may run again without them. */
  readonly lasting?: number;
  /**
   * Inputs and outputs from these on are slices of what a loop reads and writes. Where kernels alone touch one, it has no place
   * in the arena (see `Plan.bytes`).
   */
  readonly slices?: { readonly inputs: number; readonly outputs: number } | undefined;
}

export function compilePlan(program: Program, options: PlanOptions): Plan {
  const { kernels, aliases = new Map<number, number>(), lasting = 0, slices } = options;
  const inlined = widenHalves(inlineCalls(program));
  assertSupported(inlined, aliases);
  const scheduled = schedule(inlined, { aliases, separate: slices?.outputs });
  const buffers = new BufferList(scheduled.buffers.map(({ dtype, size }) => size * bytesPerElement[dtype]));
  const compile: LowerContext["compile"] = (body, bodyOptions) => compilePlan(body, { ...bodyOptions, kernels });
  const open = scheduled.steps.flatMap((step: Step) => lowerStep(step, scheduled, { buffers, kernels, compile }));
  const literalBuffers = scheduled.literals.map((_, i) => scheduled.inputs + i);
  const wanted = [...aliases];
  const outside = slices ? slicesOutside({ program: inlined, open, scheduled, slices }) : [];
  const placement = planMemory({
    bytes: buffers.bytes.map((bytes, buffer) => (outside.includes(buffer) ? 0 : bytes + padding)),
    inputs: Array.from({ length: scheduled.inputs }, (_, i) => i),
    constants: [...literalBuffers, ...Array.from({ length: lasting }, (_, i) => i)],
    steps: open.map((step) => ({
      ...step,
      inPlace: step.inPlace.filter((pair) => !pair.some((buffer) => outside.includes(buffer))),
    })),
    outputs: scheduled.outputs.map(({ buffer }) => buffer),
    aliases: wanted.map(([output, input]) => [scheduled.outputs[output]!.buffer, input]),
  });
  const offsets = [...placement.offsets];
  let end = placement.bytes;
  for (const buffer of outside) {
    offsets[buffer] = end;
    end += buffers.bytes[buffer]! + padding;
  }
  const address = ({ buffer, offset }: BytePlace) => offsets[buffer]! + offset;
  const copies = placement.copies.map((alias): PlanStep => {
    const [output, input] = wanted[alias]!;
    const { buffer, offset } = scheduled.outputs[output]!;
    const from = address({ buffer, offset: offset * bytesPerElement[scheduled.buffers[buffer]!.dtype] });
    return { kind: "copy", from, to: address({ buffer: input, offset: 0 }), bytes: buffers.bytes[input]! };
  });
  return {
    bytes: placement.bytes,
    inputs: program.inputs.map(({ shape, dtype }, i) => ({
      offset: offsets[i]!,
      dtype,
      size: sizeOf(shape),
    })),
    literals: scheduled.literals.map((data, i) => ({ offset: offsets[literalBuffers[i]!]!, data })),
    steps: [...joinLoops(open.flatMap((step) => step.finish(address))), ...copies],
    outputs: outputsOf(program, scheduled, { aliases, offsets }),
  };
}

interface SlicedBody {
  readonly program: Program;
  readonly open: readonly OpenStep[];
  readonly scheduled: Schedule;
  readonly slices: { readonly inputs: number; readonly outputs: number };
}

/** Buffers of slices that nothing but kernels touches, which may then work on the loop's operands and results themselves. */
function slicesOutside({ program, open, scheduled, slices }: SlicedBody): number[] {
  const { inputs, literals, buffers, outputs } = scheduled;
  const isFollowed = (buffer: number) =>
    open.every(
      ({ reads, writes, follows }) =>
        (!reads.includes(buffer) || follows?.reads === true) && (!writes.includes(buffer) || follows?.writes === true),
    );
  const given = inputs + literals.length;
  const types = valueTypes(program);
  const uses = (buffer: number) => outputs.filter((output) => output.buffer === buffer).length;
  const read = Array.from({ length: inputs }, (_, i) => i)
    .slice(slices.inputs)
    .filter((buffer) => uses(buffer) === 0);
  const written = outputs.slice(slices.outputs).flatMap(({ buffer, offset }, i) => {
    const { shape } = types[program.outputs[slices.outputs + i]!]!;
    const isWhole = offset === 0 && buffers[buffer]!.size === sizeOf(shape);
    return buffer >= given && isWhole && uses(buffer) === 1 ? [buffer] : [];
  });
  return [...read, ...written].filter((buffer) => buffers[buffer]!.size > 0 && isFollowed(buffer));
}

function outputsOf(
  program: Program,
  scheduled: Schedule,
  { aliases, offsets }: { readonly aliases: ReadonlyMap<number, number>; readonly offsets: readonly number[] },
): PlanOutput[] {
  const types = valueTypes(program);
  return program.outputs.map((value, output) => {
    const { shape, dtype } = types[value] as TensorType;
    const alias = aliases.get(output);
    const { buffer, offset } = scheduled.outputs[output]!;
    const made = offsets[buffer]! + offset * storedBytes(dtype);
    return { dtype, size: sizeOf(shape), alias, offset: alias === undefined ? made : offsets[alias]! };
  });
}

function assertSupported(program: Program, aliases: ReadonlyMap<number, number>): void {
  const types = valueTypes(program);
  const wide = types.find(({ dtype }) => dtype === "f64");
  if (wide) {
    throw new DTypeError(
      `the wasm backend computes in 32 bits, got a program with ${typeText(wide)}; run it on createReferenceBackend(), or cast to f32`,
    );
  }
  for (const [output, input] of aliases) {
    const [result, place] = [types[program.outputs[output]!]!, program.inputs[input]!];
    if (result.dtype === place.dtype && sizeOf(result.shape) === sizeOf(place.shape)) continue;
    throw new ShapeError(
      `aliases: output ${output}, ${typeText(result)}, does not fit the place of input ${input}, ${typeText(place)}; donate an input of its type`,
    );
  }
}
