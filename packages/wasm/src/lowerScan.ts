/**
 * A scan becomes its body's own plan, in a part of the arena set aside for it, repeated. Constants are copied in once, slices
 * before and after every turn; carries stay where they are, because the body's plan leaves each in the place it came from.
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
  const plan = compile(body, { aliases, lasting: constants });
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
      const slicesIn = body.inputs.slice(constants + carry).map((type, i): SliceCopy => {
        const operand = constants + carry + i;
        const bytes = bytesOf(type);
        return { from: operandAt(operand), to: place(operand), bytes, fromStep: bytes, toStep: 0 };
      });
      const slicesOut = plan.outputs.slice(carry).map((output, i): SliceCopy => {
        const bytes = output.size * bytesPerElement[output.dtype];
        return { from: base + output.offset, to: resultAt(carry + i), bytes, fromStep: 0, toStep: bytes };
      });
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
          before: slicesIn,
          steps: moveSteps(plan.steps, base),
          after: slicesOut,
        },
        ...carriesOut,
      ];
      return steps;
    },
  };
}
