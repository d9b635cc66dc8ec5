/** All that computes with a native BLAS library, for platforms that can have one. */
export { nativeKernels } from "../kernels/nativeKernels.ts";
export { bindProducts } from "./products.ts";
export { findBlas } from "./systemBlas.ts";
