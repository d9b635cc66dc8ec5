/** What a thread that makes initial weights is told, and what it answers. */
import type { BackendRecipe, TensorData } from "@weft/tensor";
import type { Initialization } from "./initializer.ts";

/** Its `workerData`. */
export interface ThreadStart extends Initialization {
  readonly recipe: BackendRecipe;
}

/** Places of the parameters to make; the only message. */
export type ToThread = readonly number[];

export type FromThread =
  /** The engine is made; the program comes next. */
  | { readonly kind: "begun" }
  | { readonly kind: "ready"; readonly count: number }
  /** Memory and all: they are moved here. */
  | { readonly kind: "made"; readonly values: readonly TensorData[] }
  /** The error has lost its class on the way. */
  | { readonly kind: "failed"; readonly name: string; readonly error: unknown };
