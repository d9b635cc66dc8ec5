/** The primitives that native BLAS may carry out: each says undefined where WebAssembly is the better. */
import type { TensorType } from "@weft/tensor";
import type { KernelFactory } from "../kernel.ts";
import type { KernelSequence } from "../kernelSequence.ts";
import type { NativeKernel } from "../native/products.ts";
import { contractionOf } from "./contraction.ts";
import { forwardGeometry, transposedGeometry } from "./convGeometry.ts";
import { nativeConvolution, nativeKernelGradient } from "./convNative.ts";
import type { NativeOptions } from "./dotNative.ts";
import { nativeDot } from "./dotNative.ts";

export interface NativeTable {
  readonly dot: KernelFactory<"dot", NativeKernel | undefined>;
  readonly conv: KernelFactory<"conv", KernelSequence | undefined>;
  readonly convInputGradient: KernelFactory<"convInputGradient", KernelSequence | undefined>;
  readonly convKernelGradient: KernelFactory<"convKernelGradient", KernelSequence | undefined>;
}

type Operands = readonly [TensorType, TensorType];

export function nativeKernels(options: NativeOptions): NativeTable {
  return {
    dot: (inputs, params) => {
      const [lhs, rhs] = inputs as Operands;
      return lhs.dtype === "f32" ? nativeDot(contractionOf(params, [lhs, rhs]), options) : undefined;
    },
    conv: (inputs, params) => {
      const [x, kernel] = inputs as Operands;
      const taps = { reversed: false, transposed: false };
      return nativeConvolution(forwardGeometry(x.shape, kernel.shape, params), taps, options);
    },
    convInputGradient: (inputs, params) => {
      const [dy, kernel] = inputs as Operands;
      const taps = { reversed: true, transposed: true };
      return nativeConvolution(transposedGeometry(dy.shape, kernel.shape, params), taps, options);
    },
    convKernelGradient: (inputs, params) => {
      const [x, dy] = inputs as Operands;
      const kernel = [...params.kernelSpatial, x.shape.at(-1)! / params.groups, dy.shape.at(-1)!];
      return nativeKernelGradient(forwardGeometry(x.shape, kernel, params), options);
    },
  };
}
