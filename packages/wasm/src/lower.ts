/** Steps of a Schedule → kernels: the table below says how each primitive is carried out. */
import type { Instruction, Place, Primitive, PrimitiveParams, Schedule, Step, TensorType } from "@weft/tensor";
import { bytesPerElement, sizeOf } from "@weft/tensor";
import type { LinePrimitive } from "@weft/tensor/reference";
import { lineKernels } from "@weft/tensor/reference";
import type { Kernel, KernelFactory } from "./kernel.ts";
import type { KernelSequence } from "./kernelSequence.ts";
import type { KernelTable } from "./kernelTable.ts";
import type { BytePlace, LowerContext, OpenStep, PlacedPrimitive } from "./openStep.ts";
import { lowerScan } from "./lowerScan.ts";

export function lowerStep(step: Step, { buffers: specs }: Schedule, context: LowerContext): OpenStep[] {
  if (step.kind === "loop") {
    const operands = { reads: step.reads.map((buffer) => ({ buffer, offset: 0 })), writes: step.writes, context };
    const source = context.kernels.loop(step.loop);
    const open = "kernels" in source ? sequenceStep(source, operands) : kernelStep(source, operands);
    return [{ ...open, inPlace: inPlacePairs(step), follows: { reads: true, writes: true } }];
  }
  const { instruction, inputs } = step;
  const inBytes = ({ buffer, offset }: Place): BytePlace => ({
    buffer,
    offset: offset * bytesPerElement[specs[buffer]!.dtype],
  });
  const placed = { inputs, outputs: instruction.outputs, reads: step.reads.map(inBytes), writes: step.writes };
  if (instruction.primitive === "scan") return [lowerScan({ ...placed, params: instruction.params }, context)];
  const source = sourceOf(instruction, inputs, context.kernels);
  if (!source) return [hostStep(instruction, placed)];
  if ("kernels" in source) return [sequenceStep(source, { ...placed, context })];
  return source.tiles === 0 ? [] : [kernelStep(source, { ...placed, context })];
}

/** The kernel of a primitive, or undefined where the host's loops do the work. */
function sourceOf(
  instruction: Instruction,
  inputs: readonly TensorType[],
  kernels: KernelTable,
): Kernel | KernelSequence | undefined {
  const factory = Object.hasOwn(kernels, instruction.primitive)
    ? kernels[instruction.primitive as Exclude<keyof KernelTable, "loop">]
    : undefined;
  // Each factory takes the params of its own primitive, which is the instruction's.
  return (factory as KernelFactory<Primitive, Kernel | KernelSequence> | undefined)?.(inputs, instruction.params);
}

interface KernelOperands {
  readonly reads: readonly BytePlace[];
  readonly writes: readonly number[];
  readonly context: LowerContext;
}

function kernelStep(source: Kernel, { reads, writes, context }: KernelOperands): OpenStep {
  const scratch = source.scratchBytes > 0 ? context.buffers.add(source.scratchBytes) : undefined;
  const results = writes.map((buffer) => ({ buffer, offset: 0 }));
  return {
    reads: reads.map(({ buffer }) => buffer),
    writes: scratch === undefined ? writes : [...writes, scratch],
    inPlace: [],
    follows: { reads: true, writes: false },
    finish: (address) => [
      {
        kind: "kernel",
        source,
        scratch: scratch === undefined ? 0 : address({ buffer: scratch, offset: 0 }),
        pointers: [...reads, ...results].map(address),
      },
    ],
  };
}

/** Kernels one after the other; their scratch and temporary buffers are the step's own. */
function sequenceStep({ kernels, temporaries }: KernelSequence, { reads, writes, context }: KernelOperands): OpenStep {
  const own = temporaries.map((bytes) => context.buffers.add(bytes));
  const places = [...reads, ...[...writes, ...own].map((buffer) => ({ buffer, offset: 0 }))];
  const scratchBytes = Math.max(...kernels.map(({ source }) => source.scratchBytes));
  const scratch = scratchBytes > 0 ? [context.buffers.add(scratchBytes)] : [];
  return {
    reads: reads.map(({ buffer }) => buffer),
    writes: [...writes, ...own, ...scratch],
    inPlace: [],
    follows: { reads: true, writes: false },
    finish: (address) =>
      kernels.map(({ source, buffers }) => ({
        kind: "kernel",
        source,
        scratch: scratch[0] === undefined ? 0 : address({ buffer: scratch[0], offset: 0 }),
        pointers: buffers.map((number) => address(places[number]!)),
      })),
  };
}

/** Results that may overwrite an operand: every load of it is at the very index that is stored. */
function inPlacePairs({ loop, reads, writes }: Extract<Step, { kind: "loop" }>): [number, number][] {
  return writes.flatMap((write, result) => {
    const { access, dtype, reduce } = loop.results[result]!;
    if (reduce !== undefined || writes.indexOf(write) !== writes.lastIndexOf(write)) return [];
    const size = loop.sizes.reduce((product, n) => product * n, 1);
    return [...new Set(reads)].flatMap((read): [number, number][] => {
      const loads = loop.operands.filter((_, operand) => reads[operand] === read);
      const same = loads.every(
        (load) =>
          load.access.offset === access.offset &&
          load.access.strides.join() === access.strides.join() &&
          bytesPerElement[load.dtype] === bytesPerElement[dtype],
      );
      return same && size > 0 ? [[write, read]] : [];
    });
  });
}

function hostStep({ primitive, params }: Instruction, placed: Omit<PlacedPrimitive<Primitive>, "params">): OpenStep {
  const { inputs, outputs, reads, writes } = placed;
  if (!isLine(primitive)) throw new Error(`no kernel carries out ${primitive}`);
  const valueAt = (type: TensorType, offset: number) => ({ ...type, offset, size: sizeOf(type.shape) });
  return {
    reads: reads.map(({ buffer }) => buffer),
    writes,
    inPlace: [],
    finish: (address) => [
      {
        kind: "host",
        primitive,
        params: params as PrimitiveParams[LinePrimitive],
        inputs: inputs.map((type, i) => valueAt(type, address(reads[i]!))),
        outputs: outputs.map((type, i) => valueAt(type, address({ buffer: writes[i]!, offset: 0 }))),
      },
    ],
  };
}

const isLine = (primitive: Primitive): primitive is LinePrimitive => Object.hasOwn(lineKernels, primitive);
