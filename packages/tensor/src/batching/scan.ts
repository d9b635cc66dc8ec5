/** Batching of a loop: one loop whose body works on all examples. */
import { apply } from "../apply.ts";
import { moveAxis } from "../elementary.ts";
import type { Tensor } from "../graph.ts";
import { bindAll, placeholder } from "../graph.ts";
import type { ScanParams, TensorType } from "../program.ts";
import { toProgram } from "../trace.ts";
import type { BatchingRule, Vectorise } from "./rule.ts";
import { stacked } from "./rule.ts";

/** The rule needs to batch the body, so it is given the means. */
export const scanBatching =
  (vectorise: Vectorise): BatchingRule<"scan"> =>
  ({ inputs, params, size }) => {
    const { constants, carry } = params;
    const { body, flags, outputs } = batchBody(params, {
      vectorise,
      size,
      flags: inputs.map(({ batched }) => batched),
    });
    const operands = inputs.map((input, i) => {
      if (i >= constants + carry) return input.batched ? moveAxis(input.tensor, 0, 1) : input.tensor;
      return flags[i] === true ? stacked(input, size) : input.tensor;
    });
    const results = bindAll("scan", operands, { ...params, body });
    return results.map((tensor, i) => {
      const batched = outputs[i] === true;
      return { tensor: batched && i >= carry ? moveAxis(tensor, 1, 0) : tensor, batched };
    });
  };

interface BodyOptions {
  readonly vectorise: Vectorise;
  readonly size: number;
  /** Which operands differ between examples. */
  readonly flags: readonly boolean[];
}

/** The body for all examples. A carry that begins shared but does not stay so is batched from the start. */
function batchBody({ body, constants, carry }: ScanParams, { vectorise, size, flags }: BodyOptions) {
  const examples = body.inputs.map(placeholder);
  const results = apply(body, examples);
  const current = [...flags];
  for (;;) {
    const inputs = examples.map((example, i) => (current[i] === true ? placeholder(batchOf(example, size)) : example));
    const pairs = examples.map((example, i) => [example, { tensor: inputs[i] as Tensor, batched: true }] as const);
    const vectorised = vectorise(
      results,
      pairs.filter((_, i) => current[i] === true),
      size,
    );
    const late = vectorised.findIndex(({ batched }, i) => i < carry && batched && current[constants + i] !== true);
    if (late >= 0) {
      current[constants + late] = true;
      continue;
    }
    const outputs = vectorised.map((result, i) => (i < carry ? current[constants + i] === true : result.batched));
    const tensors = vectorised.map((result, i) => (outputs[i] === true ? stacked(result, size) : result.tensor));
    return { body: toProgram(tensors, inputs), flags: current, outputs };
  }
}

const batchOf = ({ shape, dtype }: TensorType, size: number): TensorType => ({ shape: [size, ...shape], dtype });
