/** Where vector code is written: a function being built, and constants kept in variables set once at its top. */
import type { Local } from "../emitter/expression.ts";
import type { FunctionBuilder } from "../emitter/functionBuilder.ts";
import type { V128 } from "../emitter/simd.ts";
import { f32x4, i32x4 } from "../emitter/simd.ts";
import { f64x2 } from "./f64x2.ts";

/** Constants that a function uses, by text; found by writing the function once, so that it can begin by setting them. */
export class ConstantPool {
  readonly #expressions = new Map<string, V128>();
  #locals: Map<string, Local<"v128">> | undefined;

  get(key: string, make: () => V128): V128 {
    const local = this.#locals?.get(key);
    if (local) return local;
    const made = make();
    this.#expressions.set(key, made);
    return made;
  }

  /** Sets a variable for every constant met so far. */
  hoist(f: FunctionBuilder): void {
    this.#locals = new Map([...this.#expressions].map(([key, value]) => [key, f.local("v128", value)]));
  }
}

export class VectorScope {
  readonly f: FunctionBuilder;
  readonly #pool: ConstantPool;

  constructor(f: FunctionBuilder, pool: ConstantPool) {
    this.f = f;
    this.#pool = pool;
  }

  /** Computes the expression now, once. */
  keep(value: V128): V128 {
    return this.f.local("v128", value);
  }

  /** A number in all four f32 lanes. */
  float(value: number): V128 {
    return this.#pool.get(`f32 ${Object.is(value, -0) ? "-0" : value}`, () => f32x4.splat(value));
  }

  /** A number in all four i32 lanes. */
  integer(value: number): V128 {
    return this.#pool.get(`i32 ${value | 0}`, () => i32x4.splat(value | 0));
  }

  /** A number in both f64 lanes. */
  double(value: number): V128 {
    return this.#pool.get(`f64 ${value}`, () => f64x2.splat(value));
  }

  lanes(values: readonly number[]): V128 {
    return this.#pool.get(`lanes ${values.join()}`, () => i32x4.const(values));
  }

  /** Horner's rule, highest power first; not fused, so that every machine gives the same bits. */
  polynomial(x: V128, coefficients: readonly number[]): V128 {
    const [first = 0, ...rest] = coefficients;
    return rest.reduce<V128>((sum, c) => f32x4.add(f32x4.mul(sum, x), this.float(c)), this.float(first));
  }
}
