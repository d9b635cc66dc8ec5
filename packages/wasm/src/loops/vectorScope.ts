/** Where vector code is written: a function being built, and constants kept in variables set once at its top. */
import type { FunctionBuilder, Local, V128 } from "@weft/emitter";
import { f32x4, f64x2, i32x4 } from "@weft/emitter";

export class VectorScope {
  readonly f: FunctionBuilder;
  readonly #constants = new Map<string, Local<"v128">>();

  constructor(f: FunctionBuilder) {
    this.f = f;
  }

  /** Computes the expression now, once. */
  keep(value: V128): V128 {
    return this.f.local("v128", value);
  }

  /** A number in all four f32 lanes. */
  float(value: number): V128 {
    return this.#constant(`f32 ${Object.is(value, -0) ? "-0" : value}`, () => f32x4.splat(value));
  }

  /** A number in all four i32 lanes. */
  integer(value: number): V128 {
    return this.#constant(`i32 ${value | 0}`, () => i32x4.splat(value | 0));
  }

  /** A number in both f64 lanes. */
  double(value: number): V128 {
    return this.#constant(`f64 ${value}`, () => f64x2.splat(value));
  }

  lanes(values: readonly number[]): V128 {
    return this.#constant(`lanes ${values.join()}`, () => i32x4.const(values));
  }

  /**
   * A polynomial, highest power first: Horner's rule in x² over pairs of coefficients, whose halves the processor computes side
   * by side. Not fused, so that every machine gives the same bits.
   */
  polynomial(x: V128, coefficients: readonly number[]): V128 {
    const square = this.keep(f32x4.mul(x, x));
    const first = coefficients.length % 2;
    let sum: V128 | undefined = first === 1 ? this.float(coefficients[0]!) : undefined;
    for (let i = first; i < coefficients.length; i += 2) {
      const pair = f32x4.add(f32x4.mul(x, this.float(coefficients[i]!)), this.float(coefficients[i + 1]!));
      sum = this.keep(sum ? f32x4.add(f32x4.mul(sum, square), pair) : pair);
    }
    return sum ?? this.float(0);
  }

  #constant(key: string, make: () => V128): V128 {
    const known = this.#constants.get(key);
    if (known) return known;
    const local = this.f.initialLocal("v128", make());
    this.#constants.set(key, local);
    return local;
  }
}
