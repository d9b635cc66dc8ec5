/** The reference backend, an export of its own (`@weft/tensor/reference`): pages that compute on another need not load it. */
export { createReferenceBackend } from "./reference/backend.ts";
export type { ReferenceKernel, Value } from "./reference/kernel.ts";
export { lineKernels } from "./reference/lines.ts";
export type { LinePrimitive } from "./reference/lines.ts";
