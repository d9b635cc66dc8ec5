/**
 * Mixed precision (Micikevicius et al. 2018): a model computes in f16, while its parameters, what is measured and the loss stay f32.
 * Gradients come back to the parameters in f32; scale the loss (`@weft/optim/lossScaling`) to keep small ones above 0.
 */
import type { Tensor } from "@weft/tensor";
import type { Layer, LayerLike, Scope, TensorFunction } from "./layer.ts";
import { define, kindOf } from "./layer.ts";
import { checkOptions } from "./settings.ts";

export interface MixedPrecisionOptions {
  /** What layers compute in. */
  readonly compute: "f16";
}

/**
 * The same model under the same names, computing in f16: parameters and input are cast from f32 where they enter, the output is
 * f32 again. Statistics, and what norms, means and softmaxes carry on their way, are f32. Wrap a part of a model to leave the
 * rest in f32.
 */
export function mixedPrecision(model: LayerLike, options: MixedPrecisionOptions): Layer {
  const { compute } = options;
  checkOptions("mixedPrecision", options, ["compute"]);
  const narrow = (x: Tensor) => (x.dtype === "f32" ? x.cast(compute) : x);
  return define(
    (scope) => {
      const layer = within(model, narrow);
      const run = typeof layer === "function" ? layer : layer.build(scope);
      return (x) => {
        const y = run(narrow(x));
        return y.dtype === compute ? y.cast("f32") : y;
      };
    },
    { kind: kindOf(model) },
  );
}

/** The layer with every parameter narrowed, its own and those of layers in it. */
function within<F extends TensorFunction>(layer: LayerLike<F>, narrow: (x: Tensor) => Tensor): LayerLike<F> {
  if (typeof layer === "function") return layer;
  const narrowed = (scope: Scope): Scope => ({
    ...scope,
    parameter: (...asked) => narrow(scope.parameter(...asked)),
    layer: (name, inner) => scope.layer(name, within(inner, narrow)),
  });
  return { kind: layer.kind, build: (scope) => layer.build(narrowed(scope)) };
}
