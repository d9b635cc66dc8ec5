/** What one fused loop is asked to compute, and what becomes of the request. */
import type { DType } from "../dtype.ts";
import type { Shape } from "../primitive.ts";
import type { Affine } from "./affine.ts";
import type { Access, Loop, LoopOp } from "./step.ts";

/** What the loop computes. Roots share the loop's index space: the shape of the value, or of a reduction's operand. */
export interface LoopRoot {
  /** The value the root stores; it may be read by other roots of the same loop at the same index. */
  readonly value: number;
  /** The value evaluated at every index: `value` itself, or a reduction's operand, or one piece of a concat. */
  readonly expression: number;
  readonly reduce: "sum" | "max" | undefined;
  /** Where the result goes; by default row-major over the kept axes. */
  readonly access?: Access;
}

export interface LoopRequest {
  readonly shape: Shape;
  readonly reducedAxes: readonly number[];
  readonly roots: readonly LoopRoot[];
}

export interface BuiltLoop {
  readonly loop: Loop;
  /** The value whose buffer each operand reads. */
  readonly reads: readonly number[];
  /** The value that each result stores. */
  readonly writes: readonly number[];
}

/** Why a loop cannot be built: a value must get a buffer first, or one root needs another's value at another index. */
export type LoopObstacle = { readonly kind: "materialise"; readonly value: number } | { readonly kind: "conflict" };

/** Operations before their accesses are resolved. */
export type OpenOp =
  | Exclude<LoopOp, { kind: "load" | "index" }>
  | { readonly kind: "load"; readonly dtype: DType; readonly buffer: number; readonly form: Affine }
  | { readonly kind: "index"; readonly dtype: DType; readonly form: Affine };
