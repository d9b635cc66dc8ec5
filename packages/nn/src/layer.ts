/** What a layer is: a definition that takes its parameters from a scope and gives a function of tensors. */
import type { DType, Shape, Tensor } from "@weft/tensor";
import { ModelError } from "./errors.ts";
import type { Initializer } from "./initializers.ts";

export type TensorFunction = (x: Tensor) => Tensor;

/**
 * A model, or part of one: it holds no values. `initialize` makes its parameters, `apply` runs it with them; both call
 * `build` once. The function of a layer may take further, optional arguments and have methods of its own.
 */
export interface Layer<F extends TensorFunction = TensorFunction> {
  /** What it is, for names and summaries: `dense`. */
  readonly kind: string;
  readonly build: (scope: Scope) => F;
}

/** A layer, or a function without parameters, such as `relu`, as it stands. */
export type LayerLike<F extends TensorFunction = TensorFunction> = Layer<F> | F;

/** What a definition is given. */
export interface Scope {
  /** True while training; dropout asks. */
  readonly training: boolean;
  /** True while the caller keeps a state, so that a sequence may come in parts; layers that need it whole refuse. */
  readonly inParts: boolean;
  /**
   * The parameter of this name in this layer; its path joins the names of the layers around it by dots. Asking again gives
   * the same tensor, so that a layer that is called twice shares its parameters. May be called inside the tensor
   * function, where the shape of the input is known.
   */
  readonly parameter: (name: string, shape: Shape, initializer: Initializer) => Tensor;
  /**
   * A parameter that training measures rather than learns, such as a running mean. It stands among the parameters;
   * `applyWithState` gives its updated value, which `apply` drops.
   */
  readonly statistic: (name: string, shape: Shape, initializer: Initializer) => Variable;
  /**
   * What the layer remembers from one part of a sequence to the next. Undefined when the caller keeps no state, as in
   * `apply`: the sequence is whole then.
   */
  readonly state: (name: string, type: StateType) => Variable | undefined;
  /** A layer within this one, by a name that no other layer here has. */
  readonly layer: <F extends TensorFunction>(name: string, layer: LayerLike<F>) => F;
  /** A random key that no other call gets; while training only. */
  readonly key: () => Tensor;
}

/** A value that a layer reads and replaces. The caller gets the new value as a result; nothing changes in place. */
export interface Variable {
  readonly value: Tensor;
  readonly update: (next: Tensor) => void;
}

export interface StateType {
  /** `length` stands for the number of positions that a cache holds, which `initialState` is told. */
  readonly shape: readonly (number | "length")[];
  readonly dtype: DType;
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
export function define<F extends TensorFunction = TensorFunction>(
  build: (scope: Scope) => F,
  options: { readonly kind?: string } = {},
): Layer<F> {
  return { kind: options.kind ?? "layer", build };
}

/** [make(0), make(1), …, make(count - 1)] */
export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/**
 * The name by which a layer, or a plain function, is known in summaries.
 *
 * @throws {ModelError} for what is neither, which no compiler may have seen
 */
export function kindOf(layer: LayerLike): string {
  if (typeof layer === "function") return layer.name || "function";
  const given: unknown = layer;
  if (typeof given === "object" && given !== null && "build" in given) return layer.kind;
  const got = Array.isArray(given) ? "a list" : typeof given === "string" ? `"${given}"` : typeof given;
  throw new ModelError(`expected a layer or a function, got ${got}; as in sequential(dense({ features: 10 }), relu)`);
}
