/** The body of a fused loop: its operations evaluated for one vector of four elements at a time. */
import type { Expression, Local, V128 } from "@weft/emitter";
import { f32x4, i32x4 } from "@weft/emitter";
import type { DType, LoopOp } from "@weft/tensor";
import type { Nest } from "./nest.ts";
import { applyComparison, applyOperation } from "./operations.ts";
import { loadVector, storeVector } from "./vectorMemory.ts";
import type { VectorScope } from "./vectorScope.ts";

/** Where four elements lie along the vector axis, relative to the pointers; `lanes` of them exist. */
export interface VectorPosition {
  readonly position: number;
  readonly lanes: number;
}

/** The current address of each stream. */
export type Pointers = readonly Expression<"i32">[];

/** A value in a register. */
export interface Lanes {
  readonly value: V128;
  readonly dtype: DType;
  readonly fill: number | undefined;
}

export class LoopBody {
  readonly #s: VectorScope;
  readonly #nest: Nest;
  /** Whether an operation changes along the vector axis. */
  readonly #varies: readonly boolean[];
  /** Counter stream of each `index` operation. */
  readonly #counters: readonly number[];

  constructor(s: VectorScope, nest: Nest) {
    this.#s = s;
    this.#nest = nest;
    const { operands, ops, results } = nest.loop;
    const varies: boolean[] = [];
    for (const op of ops) varies.push(this.#opVaries(op, varies));
    this.#varies = varies;
    let next = operands.length + results.length;
    this.#counters = ops.map((op) => (op.kind === "index" ? next++ : -1));
  }

  /** Evaluates what is the same for all elements along the vector axis. */
  invariants(pointers: Pointers): (Lanes | undefined)[] {
    const values: (Lanes | undefined)[] = [];
    this.#nest.loop.ops.forEach((op, i) => {
      if (!this.#varies[i]) values[i] = this.#evaluate(i, op, { pointers, at: { position: 0, lanes: 4 }, values });
    });
    return values;
  }

  /**
   * Evaluates the rest for one vector; the result holds a value for every operation.
   *
   * @param loaded operands that are in registers already, by position
   */
  vector(
    pointers: Pointers,
    at: VectorPosition,
    invariants: readonly (Lanes | undefined)[],
    loaded: ReadonlyMap<number, V128> = new Map(),
  ): Lanes[] {
    const values = [...invariants];
    this.#nest.loop.ops.forEach((op, i) => {
      if (this.#varies[i]) values[i] = this.#evaluate(i, op, { pointers, at, values, loaded });
    });
    return values as Lanes[];
  }

  /** Writes the results that are not reduced. */
  storeElements(pointers: Pointers, at: VectorPosition, values: readonly Lanes[]): void {
    this.#nest.loop.results.forEach(({ op, reduce }, result) => {
      if (reduce === undefined) this.store(result, pointers, { at, value: values[op]!.value });
    });
  }

  store(
    result: number,
    pointers: Pointers,
    { at, value }: { readonly at: VectorPosition; readonly value: V128 },
  ): void {
    const { operands, results } = this.#nest.loop;
    const { dtype, access } = results[result]!;
    const stride = access.strides[this.#nest.vectorAxis]!;
    storeVector(this.#s, { dtype, address: pointers[operands.length + result]!, stride, ...at }, value);
  }

  #opVaries(op: LoopOp, varies: readonly boolean[]): boolean {
    const { vectorAxis, loop } = this.#nest;
    if (op.kind === "load") return loop.operands[op.operand]!.access.strides[vectorAxis] !== 0;
    if (op.kind === "index") return op.access.strides[vectorAxis] !== 0;
    return op.kind !== "constant" && op.args.some((arg) => varies[arg]);
  }

  #evaluate(i: number, op: LoopOp, context: EvaluateContext): Lanes {
    const s = this.#s;
    const { pointers, at, values } = context;
    const { dtype } = op;
    const made = (value: V128, fill?: number): Lanes => ({ value, dtype, fill });
    switch (op.kind) {
      case "constant": {
        const bits = dtype === "bool" ? -Number(op.value !== 0) : op.value;
        return made(dtype === "f32" ? s.float(op.value) : s.integer(bits), op.value);
      }
      case "load": {
        const inRegister = context.loaded?.get(op.operand);
        if (inRegister) return made(inRegister);
        const stride = this.#nest.loop.operands[op.operand]!.access.strides[this.#nest.vectorAxis]!;
        return made(s.keep(loadVector(s, { dtype, address: pointers[op.operand]!, stride, ...at })));
      }
      case "index": {
        const stride = op.access.strides[this.#nest.vectorAxis]!;
        const steps = s.lanes([0, 1, 2, 3].map((lane) => (at.position + lane) * stride));
        const counts = i32x4.add(i32x4.splat(pointers[this.#counters[i]!]!), steps);
        return made(s.keep(dtype === "f32" ? f32x4.convertI32x4S(counts) : counts));
      }
      case "compare":
        return made(
          s.keep(
            applyComparison(
              op,
              op.args.map((arg) => values[arg]!),
            ),
          ),
        );
      case "apply":
        return made(
          s.keep(
            applyOperation(
              s,
              op,
              op.args.map((arg) => values[arg]!),
            ),
          ),
        );
      default:
        return op satisfies never;
    }
  }
}

interface EvaluateContext {
  readonly pointers: Pointers;
  readonly at: VectorPosition;
  readonly values: readonly (Lanes | undefined)[];
  readonly loaded?: ReadonlyMap<number, V128>;
}

/** Pointers that may be advanced. */
export type MovingPointers = readonly Local<"i32">[];
