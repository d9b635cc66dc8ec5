/** The primitives that have kernels of their own. Others are fused loops, or the host's plain loops where they are rare. */
import type { KernelFactory } from "./kernel.ts";
import { convInputGradientKernel, convKernel } from "./kernels/conv.ts";
import { convKernelGradientKernel } from "./kernels/convKernelGradient.ts";
import type { KernelOptions } from "./kernels/dot.ts";
import { dotKernel } from "./kernels/dot.ts";
import { gatherKernel, scatterAddKernel } from "./kernels/gather.ts";
import { randomBitsKernel } from "./kernels/randomBits.ts";
import { windowKernels } from "./kernels/windows.ts";

export interface KernelTable {
  readonly dot: KernelFactory<"dot">;
  readonly conv: KernelFactory<"conv">;
  readonly convInputGradient: KernelFactory<"convInputGradient">;
  readonly convKernelGradient: KernelFactory<"convKernelGradient">;
  readonly gather: KernelFactory<"gather">;
  readonly scatterAdd: KernelFactory<"scatterAdd">;
  readonly randomBits: KernelFactory<"randomBits">;
  readonly windowMax: KernelFactory<"windowMax">;
  readonly windowSum: KernelFactory<"windowSum">;
  readonly windowScatter: KernelFactory<"windowScatter">;
  readonly windowGather: KernelFactory<"windowGather">;
}

export function kernelTable(options: KernelOptions): KernelTable {
  return {
    dot: dotKernel(options),
    conv: convKernel(options),
    convInputGradient: convInputGradientKernel(options),
    convKernelGradient: convKernelGradientKernel(options),
    gather: gatherKernel,
    scatterAdd: scatterAddKernel,
    randomBits: randomBitsKernel,
    ...windowKernels,
  };
}
