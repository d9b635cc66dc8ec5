/** A compiled Program as plain data: steps over byte offsets in one arena. Threads may run the same plan side by side. */
import type { DType, PrimitiveParams, Shape, TensorData } from "@weft/tensor";
import type { LinePrimitive } from "@weft/tensor/reference";
import { bytesPerElement } from "@weft/tensor";
import type { Kernel } from "./kernel.ts";

export interface CopyStep {
  readonly kind: "copy";
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** A copy that moves on with every turn of a loop. */
export interface SliceCopy {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  /** Bytes by which `from` and `to` grow per turn index. */
  readonly fromStep: number;
  readonly toStep: number;
}

/** Elements in the arena; those of f16 are f32 there. */
export interface PlacedValue {
  readonly offset: number;
  readonly dtype: DType;
  readonly size: number;
}

export interface ShapedPlace extends PlacedValue {
  readonly shape: Shape;
}

export type PlanStep =
  | CopyStep
  /** run(0, tiles, scratch, …pointers) of the kernel. */
  | {
      readonly kind: "kernel";
      readonly source: Kernel;
      readonly scratch: number;
      readonly pointers: readonly number[];
      /** Bytes by which each pointer moves on from one index of the loop around to the next; absent when none does. */
      readonly strides?: readonly number[] | undefined;
    }
  /** A primitive too rare for a kernel of its own, done by plain loops over the same memory. */
  | {
      readonly kind: "host";
      readonly primitive: LinePrimitive;
      readonly params: PrimitiveParams[LinePrimitive];
      readonly inputs: readonly ShapedPlace[];
      readonly outputs: readonly ShapedPlace[];
    }
  /** Writes known values: the literals of a loop's body, whose place is used for other things between runs. */
  | { readonly kind: "fill"; readonly to: number; readonly data: TensorData }
  /** Copies slices in, runs the body and copies slices out, for every index. */
  | {
      readonly kind: "repeat";
      readonly count: number;
      readonly reverse: boolean;
      readonly before: readonly SliceCopy[];
      readonly steps: readonly PlanStep[];
      readonly after: readonly SliceCopy[];
    };

export interface PlanLiteral {
  readonly offset: number;
  readonly data: TensorData;
}

export interface PlanOutput extends PlacedValue {
  /** The input in whose place it lies, if it stays there. */
  readonly alias: number | undefined;
}

export interface Plan {
  /** Size of the arena. Places from here on are no part of it: they stand for slices that stay where the loop's operand or result lies. */
  readonly bytes: number;
  readonly inputs: readonly PlacedValue[];
  readonly literals: readonly PlanLiteral[];
  readonly steps: readonly PlanStep[];
  readonly outputs: readonly PlanOutput[];
}

/** The same steps where each address comes to lie elsewhere. */
export function moveSteps(steps: readonly PlanStep[], move: (address: number) => number): PlanStep[] {
  const placed = <T extends { readonly offset: number }>(value: T): T => ({ ...value, offset: move(value.offset) });
  const copied = <T extends { readonly from: number; readonly to: number }>(copy: T): T => ({
    ...copy,
    from: move(copy.from),
    to: move(copy.to),
  });
  return steps.map((step): PlanStep => {
    switch (step.kind) {
      case "copy":
        return copied(step);
      case "fill":
        return { ...step, to: move(step.to) };
      case "kernel":
        return { ...step, scratch: move(step.scratch), pointers: step.pointers.map(move) };
      case "host":
        return { ...step, inputs: step.inputs.map(placed), outputs: step.outputs.map(placed) };
      case "repeat":
        return {
          ...step,
          before: step.before.map(copied),
          steps: moveSteps(step.steps, move),
          after: step.after.map(copied),
        };
      default:
        return step satisfies never;
    }
  });
}

/** Bytes of one element in the arena. */
export const storedBytes = (dtype: DType): number => (dtype === "f16" ? 4 : bytesPerElement[dtype]);
