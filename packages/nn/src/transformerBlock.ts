/** The transformer's block, normalised before each half (Xiong et al. 2020). */
import type { Tensor } from "@weft/tensor";
import { gelu } from "./activations.ts";
import { dense } from "./dense.ts";
import { dropout } from "./dropout.ts";
import type { Initializer } from "./initializers.ts";
import type { Layer, TensorFunction } from "./layer.ts";
import { define } from "./layer.ts";
import type { AttentionFunction, MultiHeadAttentionOptions } from "./multiHeadAttention.ts";
import { attentionOptions, multiHeadAttention } from "./multiHeadAttention.ts";
import { layerNorm } from "./norm.ts";
import { checkOptions } from "./settings.ts";

export interface TransformerBlockOptions extends MultiHeadAttentionOptions {
  /** Size between the two dense layers; default 4 × the features. */
  readonly hidden?: number;
  /** Default `gelu`. */
  readonly activation?: TensorFunction;
  /** Share dropped of the attention weights and of what each half adds, while training; default 0. */
  readonly dropout?: number;
  /** Makes the two norms; default `layerNorm`. */
  readonly norm?: () => Layer;
}

/**
 * x [batch, time, features] → the same shape: x + attn(ln1(x)), then x + mlp(ln2(x)). Parameters: those of `ln1`, `attn`, `ln2`,
 * and of `mlp.fc1`, `mlp.fc2`.
 */
export function transformerBlock(options: TransformerBlockOptions): Layer<AttentionFunction> {
  const { norm = layerNorm, hidden, activation = gelu, ...ofAttention } = options;
  const { dropout: rate = 0, useBias = true, kernelInitializer } = options;
  checkOptions("transformerBlock", options, [...attentionOptions, "hidden", "activation", "norm"]);
  return define<AttentionFunction>(
    ({ layer }) => {
      const [first, attend] = [layer("ln1", norm()), layer("attn", multiHeadAttention(ofAttention))];
      const [second, transform] = [
        layer("ln2", norm()),
        layer("mlp", mlp({ hidden, activation, useBias, kernelInitializer })),
      ];
      const drops = [layer("drop1", dropout({ rate })), layer("drop2", dropout({ rate }))] as const;
      const dropped = (i: 0 | 1, x: Tensor) => (rate > 0 ? drops[i](x) : x);
      return (x, inputs) => {
        const attended = x.add(dropped(0, attend(first(x), inputs)));
        return attended.add(dropped(1, transform(second(attended))));
      };
    },
    { kind: "transformerBlock" },
  );
}

interface MlpOptions {
  readonly hidden: number | undefined;
  readonly activation: TensorFunction;
  readonly useBias: boolean;
  readonly kernelInitializer: Initializer | undefined;
}

/** Each position by itself: dense, activation, dense back to the size of x. */
function mlp({ hidden, activation, useBias, kernelInitializer }: MlpOptions): Layer {
  const initializer = kernelInitializer ? { kernelInitializer } : {};
  return define(
    ({ layer }) => {
      // Their sizes are those of the first input.
      let layers: readonly [TensorFunction, TensorFunction] | undefined;
      return (x: Tensor) => {
        const features = x.shape.at(-1) ?? 0;
        layers ??= [
          layer("fc1", dense({ features: hidden ?? 4 * features, useBias, ...initializer })),
          layer("fc2", dense({ features, useBias, ...initializer })),
        ];
        return layers[1](activation(layers[0](x)));
      };
    },
    { kind: "mlp" },
  );
}
