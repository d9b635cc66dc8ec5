/** The layers and losses of this package as operations of the golden vectors in packages/tensor/test/vectors. */
import type { Tensor } from "@weft/tensor";
import type { LayerLike, Parameters, State } from "@weft/nn";
import {
  apply,
  applyWithState,
  attention,
  batchNorm,
  dense,
  embedding,
  groupNorm,
  gru,
  layerNorm,
  lstm,
  multiHeadAttention,
  rmsNorm,
  rnn,
} from "@weft/nn";
import type { Operation, Results } from "../../tensor/test/vectors/cases.ts";
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

export const layerOperations: Readonly<Record<string, Operation>> = {
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
