/** Where there is no way to call native code, as in a browser: there is no BLAS library, and no kernel asks for one. */
import type { NativeOptions } from "../kernels/dotNative.ts";
import type { NativeTable } from "../kernels/nativeKernels.ts";
import type { KernelFunction } from "../threads/threadBody.ts";
import type { Blas, BlasChoice, OpenBlas } from "./blas.ts";
import { BlasError } from "./blas.ts";
import type { NativeKernel } from "./products.ts";

export function findBlas(choice: BlasChoice): Blas | undefined {
  if (choice === "off" || choice === "auto") return undefined;
  throw new BlasError(
    `expected "off" or "auto", got the library ${choice}: native code cannot be called here; leave the option out`,
  );
}

export const nativeKernels: (options: NativeOptions) => NativeTable | undefined = () => undefined;

type BindProducts = (kernel: NativeKernel, memory: WebAssembly.Memory, blas: OpenBlas) => KernelFunction;

export const bindProducts: BindProducts = () => {
  throw new Error("a plan with native kernels where there is no BLAS library");
};
