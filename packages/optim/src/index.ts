/** Optimisers as pure init/update pairs: see README.md. */
export type { Optimizer } from "./optimizer.ts";
export type { AdagradSpec, AdamSpec, OptimizerSpec, RmspropSpec, SgdSpec } from "./spec.ts";
export { createOptimizer } from "./createOptimizer.ts";
export { sgd } from "./sgd.ts";
export type { SgdOptions } from "./sgd.ts";
export { adagrad } from "./adagrad.ts";
export type { AdagradOptions } from "./adagrad.ts";
export { rmsprop } from "./rmsprop.ts";
export type { RmspropOptions } from "./rmsprop.ts";
export { adam } from "./adam.ts";
export type { AdamOptions } from "./adam.ts";
export { OptimizerError, OptimizerStateError } from "./errors.ts";
