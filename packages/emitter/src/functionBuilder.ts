/**
 * The body of one function, statement by statement: locals, assignments, stores and structured control flow. Expressions
 * come from `scalar.ts` and `simd.ts`.
 */
import { ByteWriter, leb128 } from "./bytes.ts";
import type { Expression, Local, ValueType } from "./expression.ts";
import { localOf, memoryImmediate, typeCode, writeExpression } from "./expression.ts";
import type { F32, I32 } from "./scalar.ts";
import { f32, i32 } from "./scalar.ts";

/** A function of the module, as `ModuleBuilder.function` returns it. */
export interface FunctionHandle {
  readonly index: number;
  readonly params: readonly ValueType[];
}

/** A place to branch to: the end of a block, or the start of a loop. */
export interface Label {
  readonly depth: number;
}

/** Bounds of a counting loop; `step` is a positive constant, 1 if absent. */
export interface Range {
  readonly from: I32;
  readonly to: I32;
  readonly step?: I32;
}

/** A tuple of `N` locals; an array of them where the number is not known. */
export type LocalsOf<N extends number, L extends Local<"i32">[] = []> = number extends N
  ? Local<"i32">[]
  : L["length"] extends N
    ? L
    : LocalsOf<N, [...L, Local<"i32">]>;

export class FunctionBuilder {
  readonly #prologue = new ByteWriter();
  #body = new ByteWriter();
  readonly #locals: ValueType[] = [];
  readonly #paramCount: number;
  #depth = 0;
  /** Statements are kept apart while parts are interleaved: where each of the present part ends, and how deep it began. */
  #statements: { readonly ends: number[]; readonly depth: number } | undefined;

  constructor(paramCount: number) {
    this.#paramCount = paramCount;
  }

  /** A new variable: zero, or `initial`. */
  local<T extends ValueType>(type: T, initial?: Expression<T>): Local<T> {
    this.#locals.push(type);
    const local = localOf(type, this.#paramCount + this.#locals.length - 1);
    if (initial) this.set(local, initial);
    return local;
  }

  /** A variable set once, when the function begins, wherever this is called; `value` may use parameters. */
  initialLocal<T extends ValueType>(type: T, value: Expression<T>): Local<T> {
    const local = this.local(type);
    writeExpression(this.#prologue, value);
    this.#prologue.bytes([0x21, ...leb128(local.index)]);
    return local;
  }

  /** `local("i32", …)` that also takes a number. */
  i32(initial: I32): Local<"i32"> {
    return this.local("i32", i32.of(initial));
  }

  /** So many variables of 0: `const [row, column] = f.zeros(2)`. */
  zeros<N extends number>(count: N): LocalsOf<N> {
    return Array.from({ length: count }, () => this.i32(0)) as unknown as LocalsOf<N>;
  }

  set<T extends ValueType>(target: Local<T>, value: Expression<T>): void {
    this.#write([0x21, ...leb128(target.index)], value);
  }

  /** target += step. */
  increment(target: Local<"i32">, step: I32): void {
    this.set(target, i32.add(target, step));
  }

  storeI32(address: I32, value: I32, offset = 0): void {
    this.#write([0x36, ...memoryImmediate(2, offset)], i32.of(address), i32.of(value));
  }

  storeI8(address: I32, value: I32, offset = 0): void {
    this.#write([0x3a, ...memoryImmediate(0, offset)], i32.of(address), i32.of(value));
  }

  storeI16(address: I32, value: I32, offset = 0): void {
    this.#write([0x3b, ...memoryImmediate(1, offset)], i32.of(address), i32.of(value));
  }

  storeF32(address: I32, value: F32, offset = 0): void {
    this.#write([0x38, ...memoryImmediate(2, offset)], i32.of(address), f32.of(value));
  }

  storeV128(address: I32, value: Expression<"v128">, offset = 0): void {
    this.#write([0xfd, 0x0b, ...memoryImmediate(4, offset)], i32.of(address), value);
  }

  /** Stores one 32-bit lane. */
  storeLane32(address: I32, value: Expression<"v128">, at: { readonly lane: number; readonly offset?: number }): void {
    this.#write([0xfd, 0x5a, ...memoryImmediate(2, at.offset ?? 0), at.lane], i32.of(address), value);
  }

  /** Stores one 64-bit half. */
  storeLane64(address: I32, value: Expression<"v128">, at: { readonly lane: number; readonly offset?: number }): void {
    this.#write([0xfd, 0x5b, ...memoryImmediate(3, at.offset ?? 0), at.lane], i32.of(address), value);
  }

  /** Copies `bytes` bytes; the ranges may overlap. */
  memoryCopy(to: I32, from: I32, bytes: I32): void {
    this.#write([0xfc, 10, 0, 0], i32.of(to), i32.of(from), i32.of(bytes));
  }

  memoryFill(to: I32, value: I32, bytes: I32): void {
    this.#write([0xfc, 11, 0], i32.of(to), i32.of(value), i32.of(bytes));
  }

  /** Calls a function without result. */
  call(target: FunctionHandle, ...args: readonly Expression<ValueType>[]): void {
    this.#write([0x10, ...leb128(target.index)], ...args);
  }

  /** `body` may branch to the label it is given, which leaves the block. */
  block(body: (end: Label) => void): void {
    this.#nested(0x02, body);
  }

  /** `body` runs once, and again whenever it branches to its label. */
  loop(body: (start: Label) => void): void {
    this.#nested(0x03, body);
  }

  branch(label: Label): void {
    this.#write([0x0c, ...leb128(this.#depth - label.depth)]);
  }

  branchIf(condition: Expression<"i32">, label: Label): void {
    this.#write([0x0d, ...leb128(this.#depth - label.depth)], condition);
  }

  if(condition: Expression<"i32">, then: () => void, otherwise?: () => void): void {
    writeExpression(this.#body, condition);
    this.#nested(0x04, () => {
      then();
      if (!otherwise) return;
      this.#body.byte(0x05);
      otherwise();
    });
  }

  /**
   * Runs `body` for counter = from, from + step, … < to (signed). The bounds are computed anew at each turn: keep costly
   * ones in a local. Pass `counter` to name the variable, whose value after the loop is the first not below `to`.
   */
  for(range: Range, body: (counter: Local<"i32">) => void, counter: Local<"i32"> = this.local("i32")): void {
    this.set(counter, i32.of(range.from));
    const again = i32.ltS(counter, range.to);
    this.if(again, () => {
      this.loop((start) => {
        body(counter);
        this.increment(counter, range.step ?? 1);
        this.branchIf(again, start);
      });
    });
  }

  /** Parts that do not depend on one another, statement by statement in turn, so that the processor finds work in all of them. */
  interleave(parts: readonly (() => void)[]): void {
    const [outer, around] = [this.#body, this.#statements];
    const written = parts.map((part) => {
      this.#body = new ByteWriter();
      this.#statements = { ends: [0], depth: this.#depth };
      part();
      const { ends } = this.#statements;
      const bytes = this.#body.toBytes();
      return ends.slice(1).map((end, i) => bytes.subarray(ends[i], end));
    });
    [this.#body, this.#statements] = [outer, around];
    const longest = Math.max(0, ...written.map((statements) => statements.length));
    for (let i = 0; i < longest; i++) {
      for (const statements of written) if (statements[i]) this.#body.bytes(statements[i]!);
    }
    this.#endStatement();
  }

  return(value?: Expression<ValueType>): void {
    this.#write([0x0f], ...(value ? [value] : []));
  }

  /** The function's code entry: local declarations, then the body, which `returns` a value on every path or has none. */
  toBytes({ returns }: { readonly returns: boolean }): Uint8Array {
    const out = new ByteWriter();
    const runs: [count: number, type: ValueType][] = [];
    for (const type of this.#locals) {
      const last = runs.at(-1);
      if (last?.[1] === type) last[0]++;
      else runs.push([1, type]);
    }
    out.u32(runs.length);
    for (const [count, type] of runs) {
      out.u32(count);
      out.byte(typeCode[type]);
    }
    out.bytes(this.#prologue.toBytes());
    out.bytes(this.#body.toBytes());
    // Code that is never reached; the format wants that said.
    if (returns) out.byte(0x00);
    out.byte(0x0b);
    return out.toBytes();
  }

  #write(code: readonly number[], ...operands: readonly Expression<ValueType>[]): void {
    for (const operand of operands) writeExpression(this.#body, operand);
    this.#body.bytes(code);
    this.#endStatement();
  }

  #endStatement(): void {
    if (this.#statements?.depth === this.#depth) this.#statements.ends.push(this.#body.length);
  }

  #nested(opcode: number, body: (label: Label) => void): void {
    this.#body.bytes([opcode, 0x40]);
    this.#depth++;
    body({ depth: this.#depth });
    this.#depth--;
    this.#body.byte(0x0b);
    this.#endStatement();
  }
}
