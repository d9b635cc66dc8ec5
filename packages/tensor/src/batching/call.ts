/** Batching of a call: a call of the batched Program, whose gradient, if it brings its own, is batched too. */
import { apply } from "../apply.ts";
import { isFloat } from "../dtype.ts";
import { scale, sum } from "../elementary.ts";
import { bindAll, placeholder } from "../graph.ts";
import type { Program, TensorType } from "../program.ts";
import { toProgram } from "../trace.ts";
import type { Batched, BatchingRule, Vectorise } from "./rule.ts";
import { stacked } from "./rule.ts";

/** The rule needs to batch the body, so it is given the means. */
export const callBatching =
  (vectorise: Vectorise): BatchingRule<"call"> =>
  ({ inputs, params, size }) => {
    const flags = inputs.map(({ batched }) => batched);
    const { body, backward, recompute } = params;
    const batch = { vectorise, size, flags };
    if (!backward) {
      const { program, outputs } = batchProgram(body, batch);
      return call(inputs, { body: program, recompute }, outputs);
    }
    const { program, outputs } = batchProgram(body, { ...batch, finish: (result) => stackedResult(result, size) });
    return call(inputs, { body: program, backward: batchBackward(backward, { ...batch, inputs }), recompute }, outputs);
  };

const stackedResult = (result: Batched, size: number): Batched => ({ tensor: stacked(result, size), batched: true });

function call(inputs: readonly Batched[], params: Parameters<typeof bindAll<"call">>[2], outputs: readonly boolean[]) {
  const results = bindAll(
    "call",
    inputs.map(({ tensor }) => tensor),
    params,
  );
  return results.map((tensor, i): Batched => ({ tensor, batched: outputs[i] === true }));
}

interface Batch {
  readonly vectorise: Vectorise;
  readonly size: number;
  /** Which inputs differ between examples. */
  readonly flags: readonly boolean[];
  readonly finish?: (result: Batched, output: number) => Batched;
}

function batchProgram(program: Program, { vectorise, size, flags, finish = (result) => result }: Batch) {
  const examples = program.inputs.map(placeholder);
  const all = examples.map((example, i) => (flags[i] === true ? placeholder(batchOf(example, size)) : example));
  const mapped = examples.flatMap((example, i) =>
    flags[i] === true ? [[example, { tensor: all[i]!, batched: true }] as const] : [],
  );
  const results = vectorise(apply(program, examples), mapped, size).map(finish);
  return {
    program: toProgram(
      results.map(({ tensor }) => tensor),
      all,
    ),
    outputs: results.map(({ batched }) => batched),
  };
}

/** All results have cotangents of their own for each example; what flows to an operand that examples share is added up. */
function batchBackward(backward: Program, { inputs, ...batch }: Batch & { inputs: readonly Batched[] }): Program {
  const floats = inputs.filter(({ tensor }) => isFloat(tensor.dtype));
  const flags = backward.inputs.map((_, i) => inputs[i]?.batched ?? true);
  const finish = (flow: Batched, i: number): Batched => {
    if (floats[i]?.batched === true) return stackedResult(flow, batch.size);
    return { tensor: flow.batched ? sum(flow.tensor, [0]) : scale(flow.tensor, batch.size), batched: false };
  };
  return batchProgram(backward, { ...batch, flags, finish }).program;
}

const batchOf = ({ shape, dtype }: TensorType, size: number): TensorType => ({ shape: [size, ...shape], dtype });
