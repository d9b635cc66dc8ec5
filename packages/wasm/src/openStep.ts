/** Steps on their way from the schedule to the plan: their kernels are chosen, their buffers have no place yet. */
import type { MemoryStep, Primitive, PrimitiveParams, Program, TensorType } from "@weft/tensor";
import type { KernelTable } from "./kernelTable.ts";
import type { Plan, PlanStep } from "./plan.ts";

/** A position inside a buffer, in bytes. */
export interface BytePlace {
  readonly buffer: number;
  readonly offset: number;
}

/** A step whose buffers have no place yet. */
export interface OpenStep extends MemoryStep {
  /** Whether what it reads, and what it writes, may lie elsewhere in every turn: kernels do not care, and loops write no byte too many. */
  readonly follows?: { readonly reads: boolean; readonly writes: boolean };
  /** The step's own work, once every buffer has an address. */
  readonly finish: (address: (place: BytePlace) => number) => PlanStep[];
}

/** Sizes in bytes of the buffers of one plan; lowering adds scratch and other temporaries. */
export class BufferList {
  readonly bytes: number[];

  constructor(bytes: readonly number[]) {
    this.bytes = [...bytes];
  }

  add(bytes: number): number {
    this.bytes.push(bytes);
    return this.bytes.length - 1;
  }
}

/** What lowering a step may draw on. */
export interface LowerContext {
  readonly buffers: BufferList;
  readonly kernels: KernelTable;
  /** Compiles the body of a loop. */
  readonly compile: (
    body: Program,
    options: {
      readonly aliases: ReadonlyMap<number, number>;
      readonly lasting: number;
      readonly slices: { readonly inputs: number; readonly outputs: number };
    },
  ) => Plan;
}

/** A primitive step whose operands have byte positions. */
export interface PlacedPrimitive<P extends Primitive> {
  readonly params: PrimitiveParams[P];
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  readonly reads: readonly BytePlace[];
  readonly writes: readonly number[];
}
