/**
 * A scan becomes its body's own plan, in a part of the arena set aside for it, repeated. Constants are copied in once; carries
 * stay where they are, because the body's plan leaves each in the place it came from. Kernels read and write slices where
 * they lie, by pointers that move on; other slices are copied before and after every turn.
 */
import type { TensorType } from "@weft/tensor";
import { bytesPerElement, sizeOf } from "@weft/tensor";
import type { LowerContext, OpenStep, PlacedPrimitive } from "./openStep.ts";
import type { CopyStep, PlanStep, SliceCopy } from "./plan.ts";
import { moveSteps } from "./plan.ts";

const bytesOf = ({ shape, dtype }: TensorType) => sizeOf(shape) * bytesPerElement[dtype];

export function lowerScan(scan: PlacedPrimitive<"scan">, { buffers, compile }: LowerContext): OpenStep {
  const { body, length, constants, carry, reverse } = scan.params;
  const aliases = new Map(Array.from({ length: carry }, (_, i) => [i, constants + i]));
  const plan = compile(body, {
    aliases,
    lasting: constants,
    slices: { inputs: constants + carry, outputs: carry },
  });
  const arena = buffers.add(plan.bytes);
  return {
    reads: scan.reads.map(({ buffer }) => buffer),
    writes: [...scan.writes, arena],
    inPlace: [],
    finish: (address) => {
      const base = address({ buffer: arena, offset: 0 });
      const operandAt = (i: number) => address(scan.reads[i]!);
      const resultAt = (i: number) => address({ buffer: scan.writes[i]!, offset: 0 });
      const place = (i: number) => base + plan.inputs[i]!.offset;
      const copyIn = scan.inputs.slice(0, constants + carry).map((type, i): CopyStep => {
        return { kind: "copy", from: operandAt(i), to: place(i), bytes: bytesOf(type) };
      });
      const slicesIn = body.inputs.slice(constants + carry).map((type, i): Slice => {
        const operand = constants + carry + i;
        return { inBody: plan.inputs[operand]!.offset, outside: operandAt(operand), bytes: bytesOf(type) };
      });
      const slicesOut = plan.outputs.slice(carry).map((output, i): Slice => {
        const bytes = output.size * bytesPerElement[output.dtype];
        return { inBody: output.offset, outside: resultAt(carry + i), bytes };
      });
      const isCopied = ({ inBody }: Slice) => inBody < plan.bytes;
      const followed = [...slicesIn, ...slicesOut].filter((slice) => !isCopied(slice));
      /** The slice around an address, where it lies outside the body's arena. */
      const sliceAt = (address: number) =>
        address < plan.bytes ? undefined : followed.findLast(({ inBody }) => inBody <= address);
      const move = (address: number) => {
        const slice = sliceAt(address);
        return slice ? slice.outside + address - slice.inBody : base + address;
      };
      const carriesOut = plan.outputs.slice(0, carry).map((output, i): CopyStep => {
        const bytes = output.size * bytesPerElement[output.dtype];
        return { kind: "copy", from: base + output.offset, to: resultAt(i), bytes };
      });
      const steps: PlanStep[] = [
        ...plan.literals.map(({ data, offset }): PlanStep => ({ kind: "fill", to: base + offset, data })),
        ...copyIn,
        {
          kind: "repeat",
          count: length,
          reverse,
          before: slicesIn.filter(isCopied).map(({ inBody, outside, bytes }): SliceCopy => {
            return { from: outside, to: base + inBody, bytes, fromStep: bytes, toStep: 0 };
          }),
          steps: moveSteps(
            plan.steps.map((step) => following(step, (address) => sliceAt(address)?.bytes ?? 0)),
            move,
          ),
          after: slicesOut.filter(isCopied).map(({ inBody, outside, bytes }): SliceCopy => {
            return { from: base + inBody, to: outside, bytes, fromStep: 0, toStep: bytes };
          }),
        },
        ...carriesOut,
      ];
      return steps;
    },
  };
}

interface Slice {
  /** In the places of the body's plan. */
  readonly inBody: number;
  /** The first slice, where the loop's operand or result lies. */
  readonly outside: number;
  readonly bytes: number;
}

/** A kernel whose pointers move on by so many bytes per turn. */
function following(step: PlanStep, strideOf: (address: number) => number): PlanStep {
  if (step.kind !== "kernel") return step;
  const strides = step.pointers.map(strideOf);
  return strides.every((stride) => stride === 0) ? step : { ...step, strides };
}
