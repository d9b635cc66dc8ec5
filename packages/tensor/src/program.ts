/** A Program: a pure tensor function as data. Values are numbered: inputs first, then constants, then results in order. */
import type { DType, TensorData } from "./dtype.ts";
import type { PlainParams, Shape } from "./primitive.ts";

/** Shape and element type of one value. */
export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A captured array; scalars and fills are `constant` instructions instead. */
export interface Literal extends TensorType {
  readonly data: TensorData;
}

/** A loop whose body is a Program: (constants…, carry…, x slices…) → (carry…, y slices…); x and y run along their axis 0. */
export interface ScanParams {
  readonly body: Program;
  readonly length: number;
  readonly constants: number;
  readonly carry: number;
  /** Runs from the last slice to the first. */
  readonly reverse: boolean;
}

/** The results of a Program, whose gradient is computed in a way of its own. */
export interface CallParams {
  readonly body: Program;
  /**
   * (inputs…, results…, cotangents of the float results…) → cotangents of the float inputs, used instead of the gradient
   * of the body.
   */
  readonly backward?: Program;
  /**
   * The gradient computes the body again instead of keeping what it computed; and what the body computes is not taken from
   * equal instructions outside.
   */
  readonly recompute: boolean;
}

export type PrimitiveParams = PlainParams & { readonly scan: ScanParams; readonly call: CallParams };

export type Primitive = keyof PrimitiveParams;

/** The primitives that hold a Program; they have as many results as it gives. All others have one. */
export type ManyResults = "scan" | "call";
export type OneResult = Exclude<Primitive, ManyResults>;

/** One primitive applied to earlier values; its results take the next value numbers (only `scan` and `call` may have several). */
export type Instruction = {
  readonly [P in Primitive]: {
    readonly primitive: P;
    readonly params: PrimitiveParams[P];
    readonly inputs: readonly number[];
    readonly outputs: readonly TensorType[];
  };
}[Primitive];

/**
 * Inputs are values 0..inputs.length-1, literals follow, then the outputs of each instruction in order. Instructions read
 * only smaller numbers. Made by `trace`, checked by `decode`; treat as immutable.
 */
export interface Program {
  readonly inputs: readonly TensorType[];
  readonly literals: readonly Literal[];
  readonly instructions: readonly Instruction[];
  /** Value numbers of the results; inputs and repeats are allowed. */
  readonly outputs: readonly number[];
}

/** The type of every value of the program, by number. */
export function valueTypes(program: Program): TensorType[] {
  const types: TensorType[] = [...program.inputs, ...program.literals];
  for (const instruction of program.instructions) types.push(...instruction.outputs);
  return types;
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((size, n) => size * n, 1);
}

/** `f32[32,784]`, as error messages and `describe` write it. */
export function typeText(type: TensorType): string {
  return `${type.dtype}[${type.shape.join(",")}]`;
}
