/**
 * Random tensors from explicit keys: the same key gives the same numbers, on every backend.
 *
 * Bits come from threefry-2x32 with 20 rounds (Salmon et al. 2011): of a key's stream, element i is word i mod 2 of the
 * block at counter (floor(i / 2), 0). A key is used once; `splitKey` and `foldIn` make new ones from it.
 */
import type { DType } from "./dtype.ts";
import type { TensorLike } from "./create.ts";
import { full, tensor } from "./create.ts";
import { ShapeError } from "./errors.ts";
import { Tensor, bind } from "./graph.ts";
import { add, cast, cos, log, mul, neg, rem, sqrt } from "./operations/arithmetic.ts";
import { less, shiftRight, xor } from "./operations/compare.ts";
import { at } from "./operations/slice.ts";
import { stack } from "./operations/join.ts";
import { argsort } from "./operations/sort.ts";
import type { Shape } from "./primitive.ts";

/** A key from a seed: u32[2], the high and the low half of its 64 bits. */
export function key(seed: number | bigint): Tensor {
  const bits = BigInt.asUintN(64, BigInt(seed));
  return tensor(new Uint32Array([Number(bits >> 32n), Number(bits & 0xffffffffn)]));
}

/** `count` independent keys, u32[count, 2]: row i is the block at counter i. */
export function splitKey(from: Tensor, count = 2): Tensor {
  return randomBits(from, [count, 2]);
}

/** A key that belongs to `number`, such as a step or a worker, apart from those of all other numbers. */
export function foldIn(from: Tensor, number: number | Tensor): Tensor {
  const data = number instanceof Tensor ? cast(number, "u32") : full([], number >>> 0, { dtype: "u32" });
  const own = randomBits(from, [2]);
  const changed = stack([xor(at(own, 0), data), at(own, 1)]);
  return randomBits(changed, [2]);
}

/** Uniform 32-bit words. */
export function randomBits(from: Tensor, shape: Shape): Tensor {
  return bind("randomBits", [from], { shape });
}

export interface UniformOptions {
  /** Default 0. */
  readonly min?: number;
  /** Default 1; not reached, but where f16 rounds up to it. */
  readonly max?: number;
  readonly dtype?: DType;
}

/** Uniform in [min, max), in steps of (max - min) / 2²⁴. */
export function uniform(from: Tensor, shape: Shape, options: UniformOptions = {}): Tensor {
  const { min = 0, max = 1, dtype = "f32" } = options;
  if (dtype === "f16") return cast(uniform(from, shape, { ...options, dtype: "f32" }), dtype);
  const unit = mul(cast(shiftRight(randomBits(from, shape), 8), dtype), 2 ** -24);
  const scaled = max - min === 1 ? unit : mul(unit, max - min);
  return min === 0 ? scaled : add(scaled, min);
}

export interface NormalOptions {
  /** Default 0. */
  readonly mean?: number;
  /** Default 1. */
  readonly std?: number;
  readonly dtype?: DType;
}

/** Normally distributed, by Box and Muller's transform; no value is farther than 5.8 standard deviations out. */
export function normal(from: Tensor, shape: Shape, options: NormalOptions = {}): Tensor {
  const { mean = 0, std = 1, dtype = "f32" } = options;
  if (dtype === "f16") return cast(normal(from, shape, { ...options, dtype: "f32" }), dtype);
  const bits = shiftRight(randomBits(from, [2, ...shape]), 8);
  // (0, 1], so that the logarithm is finite.
  const radius = sqrt(mul(neg(log(mul(add(cast(at(bits, 0), dtype), 1), 2 ** -24))), 2));
  const angle = mul(cast(at(bits, 1), dtype), 2 * Math.PI * 2 ** -24);
  const standard = mul(radius, cos(angle));
  const scaled = std === 1 ? standard : mul(standard, std);
  return mean === 0 ? scaled : add(scaled, mean);
}

/** True with the given probability (a number, or a tensor that broadcasts to `shape`). */
export function bernoulli(from: Tensor, shape: Shape, probability: TensorLike): Tensor {
  return less(uniform(from, shape), probability);
}

/** The numbers 0…count-1 (i32) in random order. */
export function permutation(from: Tensor, count: number): Tensor {
  return argsort(randomBits(from, [count]));
}

/** Whole numbers (i32) with low ≤ n < high; each is as likely as the others to within (high - low) / 2³². */
export function randomInt(from: Tensor, shape: Shape, range: { readonly low?: number; readonly high: number }): Tensor {
  const { low = 0, high } = range;
  if (!(high > low)) throw new ShapeError(`randomInt: expected low < high, got ${low} and ${high}; exchange them?`);
  const offset = cast(rem(randomBits(from, shape), high - low), "i32");
  return low === 0 ? offset : add(offset, low);
}
