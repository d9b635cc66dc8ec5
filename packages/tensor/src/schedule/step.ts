/** What a schedule is made of: buffers, fused loops over them, and primitives that have a kernel of their own. */
import type { DType, TensorData } from "../dtype.ts";
import type { BinaryPrimitive, BitwisePrimitive, Comparison, UnaryPrimitive } from "../primitive.ts";
import type { Instruction, TensorType } from "../program.ts";

/** Where a loop finds an element: offset + Σ strides[axis] · index[axis], in elements; one stride per loop axis. */
export interface Access {
  readonly offset: number;
  readonly strides: readonly number[];
}

export type ElementwisePrimitive = UnaryPrimitive | BinaryPrimitive | BitwisePrimitive | "not" | "select" | "cast";

/** One scalar operation of a loop's body; `args` are positions of earlier operations. */
export type LoopOp =
  | { readonly kind: "load"; readonly dtype: DType; readonly operand: number }
  | { readonly kind: "constant"; readonly dtype: DType; readonly value: number }
  /** The integer offset + Σ strides · index, as a value. */
  | { readonly kind: "index"; readonly dtype: DType; readonly access: Access }
  | {
      readonly kind: "apply";
      readonly dtype: DType;
      readonly primitive: ElementwisePrimitive;
      readonly args: readonly number[];
    }
  | { readonly kind: "compare"; readonly dtype: "bool"; readonly op: Comparison; readonly args: readonly number[] };

export interface LoopOperand {
  readonly dtype: DType;
  readonly access: Access;
}

/** What the loop writes: an operation's value at every index or, with `reduce`, combined over the reduced axes. */
export interface LoopResult {
  readonly op: number;
  readonly dtype: DType;
  readonly reduce: "sum" | "max" | undefined;
  readonly access: Access;
}

/** A fused loop nest: for every index, evaluate `ops` in order, then write `results`. */
export interface Loop {
  /** Axis sizes, outer to inner: kept axes first, then reduced ones. All ≥ 1. */
  readonly sizes: readonly number[];
  /** How many of the axes are kept. */
  readonly kept: number;
  readonly operands: readonly LoopOperand[];
  readonly ops: readonly LoopOp[];
  readonly results: readonly LoopResult[];
}

export interface BufferSpec {
  readonly dtype: DType;
  /** Elements. */
  readonly size: number;
}

/** A contiguous run of elements inside a buffer. */
export interface Place {
  readonly buffer: number;
  /** In elements. */
  readonly offset: number;
}

export type Step =
  | {
      readonly kind: "loop";
      readonly loop: Loop;
      /** Buffer of each operand and of each result. */
      readonly reads: readonly number[];
      readonly writes: readonly number[];
    }
  | {
      readonly kind: "primitive";
      readonly instruction: Instruction;
      readonly inputs: readonly TensorType[];
      readonly reads: readonly Place[];
      readonly writes: readonly number[];
    };

/** A Program in executable order. Buffers are numbered: inputs first, then literals, then what the steps make. */
export interface Schedule {
  readonly buffers: readonly BufferSpec[];
  readonly inputs: number;
  readonly literals: readonly TensorData[];
  readonly steps: readonly Step[];
  readonly outputs: readonly Place[];
}
