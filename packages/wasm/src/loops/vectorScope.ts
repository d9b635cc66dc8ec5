/** Where vector code is written: a function being built, and constants kept in variables set once at its top. */
import type { FunctionBuilder, Local, V128 } from "@weft/emitter";
import { f32x4, f64x2, i32x4 } from "@weft/emitter";

export class VectorScope {
  readonly f: FunctionBuilder;
  readonly #relaxed: boolean;
  readonly #constants = new Map<string, Local<"v128">>();

  /** `relaxed`: elementary functions may use fused multiply-add, whose rounding may differ between machines. */
  constructor(f: FunctionBuilder, { relaxed }: { readonly relaxed: boolean }) {
    this.f = f;
    this.#relaxed = relaxed;
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

  /** x · y + z, for elementary functions: what a Program multiplies and adds itself is rounded twice. */
  multiplyAdd(x: V128, y: V128, z: V128): V128 {
    return this.#relaxed ? f32x4.relaxedMadd(x, y, z) : f32x4.add(f32x4.mul(x, y), z);
  }

  /** z - x · y, likewise. */
  multiplySubtract(x: V128, y: V128, z: V128): V128 {
    return this.#relaxed ? f32x4.relaxedNmadd(x, y, z) : f32x4.sub(z, f32x4.mul(x, y));
  }

  /**
   * A polynomial, highest power first: by Horner's rule where steps are fused, else by the rule in x² over pairs of
   * coefficients, whose halves the processor computes side by side.
   */
  polynomial(x: V128, coefficients: readonly number[]): V128 {
    if (this.#relaxed) {
      const [highest = 0, ...lower] = coefficients;
      return lower.reduce(
        (sum: V128, coefficient) => this.keep(f32x4.relaxedMadd(sum, x, this.float(coefficient))),
        this.float(highest),
      );
    }
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
