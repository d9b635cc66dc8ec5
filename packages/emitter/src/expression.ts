/**
 * Expressions of the emitter: trees whose leaves are constants and locals. WebAssembly is a stack machine, so a tree is
 * its operands in order, then its own instruction.
 */
import type { ByteWriter } from "./bytes.ts";
import { leb128 } from "./bytes.ts";

export type ValueType = "i32" | "f32" | "f64" | "v128";

/** The type's code in the binary format. */
export const typeCode: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** A value of type `T`, computed anew wherever the expression is used: keep it in a local to compute it once. */
export interface Expression<T extends ValueType> {
  readonly type: T;
  readonly operands: readonly Expression<ValueType>[];
  readonly code: readonly number[];
  /** The value, where it is a constant i32: address arithmetic folds through it. */
  readonly constant?: number;
}

/** A variable of one function; reading it is using it as an expression, writing it is `FunctionBuilder.set`. */
export interface Local<T extends ValueType> extends Expression<T> {
  readonly index: number;
}

export function expression<T extends ValueType>(
  type: T,
  code: readonly number[],
  operands: readonly Expression<ValueType>[] = [],
): Expression<T> {
  return { type, code, operands };
}

export function localOf<T extends ValueType>(type: T, index: number): Local<T> {
  return { ...expression(type, [0x20, ...leb128(index)]), index };
}

/** Assigns to the local and is the value assigned. */
export function tee<T extends ValueType>(target: Local<T>, value: Expression<T>): Expression<T> {
  return expression(target.type, [0x22, ...leb128(target.index)], [value]);
}

/** Both sides are computed, then the condition; `condition` ≠ 0 chooses the first. */
export function select<T extends ValueType>(
  condition: Expression<"i32">,
  ifTrue: Expression<T>,
  ifFalse: Expression<T>,
): Expression<T> {
  const code = ifTrue.type === "v128" ? [0x1c, 1, typeCode.v128] : [0x1b];
  return expression(ifTrue.type, code, [ifTrue, ifFalse, condition]);
}

/** Writes the expression in postfix order. */
export function writeExpression(out: ByteWriter, value: Expression<ValueType>): void {
  for (const operand of value.operands) writeExpression(out, operand);
  out.bytes(value.code);
}

/** Alignment (log2, a hint to the engine) and constant offset of a load or store. */
export const memoryImmediate = (alignment: number, offset: number): number[] => [alignment, ...leb128(offset)];
