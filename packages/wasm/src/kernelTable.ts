/** The primitives that have kernels of their own. Others are fused loops, or the host's plain loops where they are rare. */
import type { Loop, Primitive } from "@weft/tensor";
import { nativeKernels } from "#native";
import type { Kernel, KernelFactory, KernelSource } from "./kernel.ts";
import type { KernelSequence } from "./kernelSequence.ts";
import { convInputGradientKernel, convKernel } from "./kernels/conv.ts";
import { convKernelGradientKernel } from "./kernels/convKernelGradient.ts";
import type { KernelOptions } from "./kernels/dot.ts";
import { dotKernel } from "./kernels/dot.ts";
import type { NativeOptions } from "./kernels/dotNative.ts";
import { gatherKernel, scatterAddKernel } from "./kernels/gather.ts";
import { randomBitsKernel } from "./kernels/randomBits.ts";
import { windowKernels } from "./kernels/windows.ts";
import { reductionKernels } from "./loops/splitReduction.ts";
import type { NativeKernel } from "./native/products.ts";

type AnyFactory<P extends Primitive> = KernelFactory<P, Kernel | KernelSequence>;

export interface KernelTable {
  /** Of fused loops. */
  readonly loop: (loop: Loop) => KernelSource | KernelSequence;
  readonly dot: AnyFactory<"dot">;
  readonly conv: AnyFactory<"conv">;
  readonly convInputGradient: AnyFactory<"convInputGradient">;
  readonly convKernelGradient: AnyFactory<"convKernelGradient">;
  readonly gather: KernelFactory<"gather">;
  readonly scatterAdd: KernelFactory<"scatterAdd">;
  readonly randomBits: KernelFactory<"randomBits">;
  readonly windowMax: KernelFactory<"windowMax">;
  readonly windowSum: KernelFactory<"windowSum">;
  readonly windowScatter: KernelFactory<"windowScatter">;
  readonly windowGather: KernelFactory<"windowGather">;
}

export interface TableOptions extends KernelOptions {
  /** Large products go to native BLAS. */
  readonly native?: NativeOptions | undefined;
}

export function kernelTable({ native: nativeOptions, ...options }: TableOptions): KernelTable {
  const native = nativeOptions && nativeKernels(nativeOptions);
  return {
    loop: (loop) => reductionKernels(loop, options),
    dot: preferring(native?.dot, dotKernel(options)),
    conv: preferring(native?.conv, convKernel(options)),
    convInputGradient: preferring(native?.convInputGradient, convInputGradientKernel(options)),
    convKernelGradient: preferring(native?.convKernelGradient, convKernelGradientKernel(options)),
    gather: gatherKernel,
    scatterAdd: scatterAddKernel,
    randomBits: randomBitsKernel,
    ...windowKernels,
  };
}

function preferring<P extends Primitive>(
  native: KernelFactory<P, NativeKernel | KernelSequence | undefined> | undefined,
  otherwise: KernelFactory<P>,
): AnyFactory<P> {
  return (inputs, params) => native?.(inputs, params) ?? otherwise(inputs, params);
}
