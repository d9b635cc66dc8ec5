/** The layers and losses of this package as operations of the golden vectors in packages/tensor/test/vectors. */
import type { PadPair, Padding, Tensor } from "@weft/tensor";
import type { LayerLike, Parameters, State } from "@weft/nn";
import {
  apply,
  applyWithState,
  attention,
  batchNorm,
  binaryCrossEntropy,
  conv1d,
  conv1dTranspose,
  conv2d,
  conv2dTranspose,
  cosineSimilarity,
  dense,
  embedding,
  globalAvgPool,
  groupNorm,
  gru,
  huber,
  klDivergence,
  layerNorm,
  lstm,
  maxPool1d,
  maxPool2d,
  avgPool2d,
  meanAbsoluteError,
  meanSquaredError,
  multiHeadAttention,
  rmsNorm,
  rnn,
  softmaxCrossEntropy,
  upsample2d,
} from "@weft/nn";
import type { Attributes, Operation, Results } from "../../tensor/test/vectors/cases.ts";
import { given } from "../../tensor/test/vectors/cases.ts";

/** The layer applied to x, with its parameters in the order of the case. */
function run(
  model: LayerLike,
  x: Tensor | undefined,
  parameters: Readonly<Record<string, Tensor | undefined>>,
): Tensor {
  return apply(model, definedOnly(parameters), given(x, "x"));
}

const definedOnly = (tensors: Readonly<Record<string, Tensor | undefined>>): Parameters =>
  Object.fromEntries(Object.entries(tensors).filter((entry): entry is [string, Tensor] => entry[1] !== undefined));

/** The layer run on from the state of the case, which gives the last state as extras. */
function runFrom(model: LayerLike, [x, parameters, state]: readonly [Tensor | undefined, Parameters, State]): Results {
  const { output, state: last } = applyWithState(model, parameters, given(x, "x"), { state });
  const extra = Object.fromEntries(Object.entries(last).map(([name, value]) => [`last_${name}`, value]));
  return { output, extra };
}

const featuresOf = (kernel: Tensor | undefined) => given(kernel?.shape.at(-1), "kernel");

/** [left, right] of the only axis of a sequence, or a number, as padding of each axis. */
const sequencePadding = (padding: Attributes["padding"]): Padding =>
  Array.isArray(padding) && typeof padding[0] === "number" ? [padding as unknown as PadPair] : (padding ?? 0);

const convOptions = (kernel: Tensor | undefined, bias: Tensor | undefined, attrs: Attributes) => ({
  features: featuresOf(kernel),
  kernel: given(kernel, "kernel").shape.slice(0, -2),
  stride: attrs.stride ?? 1,
  dilation: attrs.dilation ?? 1,
  useBias: bias !== undefined,
});

const poolOptions = (attrs: Attributes) => ({
  window: given(attrs.window, "window"),
  stride: given(attrs.stride, "stride"),
});

const convolutions: Readonly<Record<string, Operation>> = {
  conv1d: ([x, kernel, bias], attrs) => {
    const options = { ...convOptions(kernel, bias, attrs), padding: sequencePadding(attrs.padding) };
    return run(conv1d({ ...options, groups: attrs.groups ?? 1 }), x, { kernel, bias });
  },
  conv2d: ([x, kernel, bias], attrs) => {
    const options = { ...convOptions(kernel, bias, attrs), padding: attrs.padding as Padding };
    return run(conv2d({ ...options, groups: attrs.groups ?? 1 }), x, { kernel, bias });
  },
  conv_transpose1d: ([x, kernel, bias], attrs) => {
    const options = { ...convOptions(kernel, bias, attrs), padding: attrs.padding as Padding };
    return run(conv1dTranspose({ ...options, outputPadding: attrs.output_padding ?? 0 }), x, { kernel, bias });
  },
  conv_transpose2d: ([x, kernel, bias], attrs) => {
    const options = { ...convOptions(kernel, bias, attrs), padding: attrs.padding as Padding };
    return run(conv2dTranspose({ ...options, outputPadding: attrs.output_padding ?? 0 }), x, { kernel, bias });
  },
  max_pool1d: ([x], attrs) => run(maxPool1d({ ...poolOptions(attrs), padding: sequencePadding(attrs.padding) }), x, {}),
  max_pool2d: ([x], attrs) => run(maxPool2d({ ...poolOptions(attrs), padding: attrs.padding as Padding }), x, {}),
  avg_pool2d: ([x], attrs) => {
    const options = { ...poolOptions(attrs), padding: attrs.padding as Padding };
    return run(avgPool2d({ ...options, countIncludePad: attrs.count_include_pad ?? true }), x, {});
  },
  global_avg_pool2d: ([x]) => run(globalAvgPool, x, {}),
  upsample_nearest2d: ([x], { scale }) => run(upsample2d({ scale: given(scale, "scale") }), x, {}),
};

const both = ([x, y]: readonly Tensor[]) => [given(x, "predictions"), given(y, "targets")] as const;

const losses: Readonly<Record<string, Operation>> = {
  cross_entropy: (operands, { reduction = "mean", label_smoothing: labelSmoothing = 0, ignore_index: ignoreIndex }) =>
    softmaxCrossEntropy(...both(operands), {
      reduction,
      labelSmoothing,
      ...(ignoreIndex === undefined ? {} : { ignoreIndex }),
    }),
  cross_entropy_soft: (operands) => softmaxCrossEntropy(...both(operands)),
  bce_with_logits: (operands, { reduction = "mean", pos_weight: positiveWeight = 1 }) =>
    binaryCrossEntropy(...both(operands), { reduction, positiveWeight }),
  mse: (operands, { reduction = "mean" }) => meanSquaredError(...both(operands), { reduction }),
  l1: (operands, { reduction = "mean" }) => meanAbsoluteError(...both(operands), { reduction }),
  huber: (operands, { reduction = "mean", delta }) =>
    huber(...both(operands), { reduction, delta: given(delta, "delta") }),
  kl_div: (operands) => klDivergence(...both(operands), { logTargets: true }),
  cosine_similarity: (operands) => cosineSimilarity(...both(operands)),
};

export const layerOperations: Readonly<Record<string, Operation>> = {
  ...convolutions,
  ...losses,
  dense: ([x, kernel, bias]) => run(dense({ features: featuresOf(kernel) }), x, { kernel, bias }),
  embedding: ([table, ids]) => {
    const [vocabulary = 0, features = 0] = table?.shape ?? [];
    return run(embedding({ vocabulary, features }), ids, { table });
  },

  layer_norm: ([x, gamma, beta], { axes, eps }) =>
    run(layerNorm({ axes: given(axes, "axes"), epsilon: given(eps, "eps") }), x, { gamma, beta }),
  rms_norm: ([x, gamma], { eps }) => run(rmsNorm({ epsilon: given(eps, "eps") }), x, { gamma }),
  group_norm: ([x, gamma, beta], { groups, eps }) =>
    run(groupNorm({ groups: given(groups, "groups"), epsilon: given(eps, "eps") }), x, { gamma, beta }),
  batch_norm: ([x, gamma, beta, mean, variance], { training, momentum, eps }) => {
    const model = batchNorm({ momentum: given(momentum, "momentum"), epsilon: given(eps, "eps") });
    const parameters = definedOnly({ gamma, beta, mean, variance });
    const { output, statistics } = applyWithState(model, parameters, given(x, "x"), { training: training === true });
    const { mean: runningMean, variance: runningVariance } = statistics;
    return { output, extra: definedOnly({ running_mean: runningMean, running_var: runningVariance }) };
  },

  attention: ([q, k, v, mask], { causal = false }) =>
    attention(given(q, "q"), given(k, "k"), given(v, "v"), { causal, ...(mask ? { mask } : {}) }),
  multi_head_attention: ([x, wqkv, bqkv, wo, bo], { heads, causal = false }) =>
    run(multiHeadAttention({ heads: given(heads, "heads"), causal }), x, {
      "qkv.kernel": wqkv,
      "qkv.bias": bqkv,
      "out.kernel": wo,
      "out.bias": bo,
    }),

  rnn_tanh: ([x, h, kernel, recurrent, bias]) =>
    runFrom(rnn({ features: featuresOf(kernel) }), [x, definedOnly({ kernel, recurrent, bias }), definedOnly({ h })]),
  lstm: ([x, h, c, kernel, recurrent, bias], attrs) => {
    const model = lstm({ features: featuresOf(kernel) / 4 });
    const { output, extra = {} } = runFrom(model, [x, definedOnly({ kernel, recurrent, bias }), definedOnly({ h, c })]);
    return { output: attrs.return === "last_c" ? given(extra["last_c"], "c") : output, extra };
  },
  gru: ([x, h, kernel, recurrent, bias, recurrentBias]) =>
    runFrom(gru({ features: featuresOf(kernel) / 3 }), [
      x,
      definedOnly({ kernel, recurrent, bias, recurrentBias }),
      definedOnly({ h }),
    ]),
};
