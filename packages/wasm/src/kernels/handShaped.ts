/** The primitives whose kernels are shaped by hand: contractions, convolutions, windows. */
import type { KernelFactory } from "../kernel.ts";
import { convInputGradientKernel, convKernel } from "./conv.ts";
import { convKernelGradientKernel } from "./convKernelGradient.ts";
import type { KernelOptions } from "./dot.ts";
import { dotKernel } from "./dot.ts";
import { windowKernels } from "./windows.ts";

export type HandShaped = "dot" | "conv" | "convInputGradient" | "convKernelGradient" | keyof typeof windowKernels;

export const handShapedKernels = (options: KernelOptions): { readonly [P in HandShaped]: KernelFactory<P> } => ({
  dot: dotKernel(options),
  conv: convKernel(options),
  convInputGradient: convInputGradientKernel(options),
  convKernelGradient: convKernelGradientKernel(options),
  ...windowKernels,
});
