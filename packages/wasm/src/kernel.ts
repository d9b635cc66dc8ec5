/** What a kernel is: the contract between the kernels, the plan that strings them together and the executor that runs it. */
import type { ModuleBuilder } from "@weft/emitter";
import type { Loop, Primitive, PrimitiveParams, TensorType } from "@weft/tensor";
import type { NativeKernel } from "./native/products.ts";

/**
 * A kernel specialised to its shapes: code, how its work divides, and what scratch each thread needs.
 *
 * Its module imports the memory as `env.memory` and exports `run(from, to, scratch, ...pointers)`, which computes tiles
 * from..to-1. Pointers are byte offsets of the operands in primitive order, then of the results. Every buffer is 64-byte
 * aligned and padded, so that reading or writing one full vector past its end is safe, except that operands may be slices
 * of a larger buffer, and so may the results of fused loops. No result may depend on how the tiles are split between calls.
 */
export interface KernelSource {
  /** Equal keys mean equal code among the kernels of one backend, which fuse multiply-add or do not; modules are cached by it. */
  readonly key: string;
  readonly build: () => ModuleBuilder;
  /** Work items. */
  readonly tiles: number;
  /** Scratch memory each thread needs. */
  readonly scratchBytes: number;
  /** The loop that it carries out, if it is one. */
  readonly loop?: LoopSource;
}

export interface LoopSource {
  readonly loop: Loop;
  readonly options: LoopOptions;
}

/** How fused loops compute. */
export interface LoopOptions {
  /** Fused multiply-add inside of elementary functions. */
  readonly relaxed: boolean;
}

/** Code, or products for native BLAS. */
export type Kernel = KernelSource | NativeKernel;

/** Chooses and shapes the kernel of one primitive for operands of the given types. */
export type KernelFactory<P extends Primitive, K = KernelSource> = (
  inputs: readonly TensorType[],
  params: PrimitiveParams[P],
) => K;
