/** What a layer is: a definition that takes its parameters from a scope and gives a function of tensors. */
import type { Shape, Tensor } from "@weft/tensor";
import type { Initializer } from "./initializers.ts";

export type TensorFunction = (x: Tensor) => Tensor;

/**
 * A model, or part of one: it holds no values. `initialize` makes its parameters, `apply` runs it with them; both call
 * `build` once.
 */
export interface Layer {
  /** What it is, for names and summaries: `dense`. */
  readonly kind: string;
  readonly build: (scope: Scope) => TensorFunction;
}

/** A layer, or a function without parameters, such as `relu`, as it stands. */
export type LayerLike = Layer | TensorFunction;

/** What a definition is given. */
export interface Scope {
  /** True while training; dropout asks. */
  readonly training: boolean;
  /**
   * The parameter of this name in this layer; its path joins the names of the layers around it by dots. Asking again gives
   * the same tensor, so that a layer that is called twice shares its parameters. May be called inside the tensor
   * function, where the shape of the input is known.
   */
  readonly parameter: (name: string, shape: Shape, initializer: Initializer) => Tensor;
  /** A layer within this one, by a name that no other layer here has. */
  readonly layer: (name: string, layer: LayerLike) => TensorFunction;
  /** A random key that no other call gets; while training only. */
  readonly key: () => Tensor;
}

/**
 * A layer of one's own:
 *
 * ```ts
 * const residual = define(({ layer }) => {
 *   const inner = layer("inner", dense({ features: 64 }));
 *   return (x) => inner(x).relu().add(x);
 * });
 * ```
 */
export function define(build: (scope: Scope) => TensorFunction, options: { readonly kind?: string } = {}): Layer {
  return { kind: options.kind ?? "layer", build };
}

/** [make(0), make(1), …, make(count - 1)] */
export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** The name by which a layer, or a plain function, is known in summaries. */
export const kindOf = (layer: LayerLike): string =>
  typeof layer === "function" ? layer.name || "function" : layer.kind;
