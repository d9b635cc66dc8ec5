/**
 * Gradient of a loop: a loop in the other direction, which carries the cotangents of the carry. The forward loop is asked to
 * keep what the backward step reads (loop/residuals.ts), so no step is run again, and what flows to constants is summed over
 * the steps outside the loop where that is faster (loop/totals.ts).
 */
import { apply } from "../apply.ts";
import { isFloat } from "../dtype.ts";
import { add, range, zeros } from "../elementary.ts";
import type { Node, Tensor } from "../graph.ts";
import { extendLoop, placeholder } from "../graph.ts";
import type { LoopInput } from "../loop/bindLoop.ts";
import { bindLoop } from "../loop/bindLoop.ts";
import { residualsOf } from "../loop/residuals.ts";
import { totalsOf } from "../loop/totals.ts";
import type { ScanParams, TensorType } from "../program.ts";
import { toProgram } from "../trace.ts";
import type { ManyVjpRule, Pullback } from "./rule.ts";

/** The rule needs to differentiate the body, so it is given the means. */
export const scanRule =
  (pullback: Pullback): ManyVjpRule<"scan"> =>
  (dys, { inputs, params, node, wanted }) => {
    const { constants, carry, length, reverse } = params;
    const step = backwardStep(params, { dys, wanted, pullback });
    const { leaves, flowTo } = step;
    const at = (input: number): LoopInput => ({ inside: leaves[input]!, outside: inputs[input]! });
    const slices = [
      ...range(inputs.length)
        .slice(constants + carry)
        .map(at),
      ...step.arriving.map(({ output, cotangent }) => ({ inside: cotangent, outside: dys[output]! })),
    ];
    const kept = keptBy(node, step);
    const varying = [
      ...step.carried.map(({ cotangent }) => cotangent),
      ...slices.map(({ inside }) => inside),
      ...leaves.slice(constants),
    ];
    const constantsWanted = step.wanted.filter((input) => input < constants);
    const slicesWanted = step.wanted.filter((input) => input >= constants + carry);
    const totals = totalsOf(constantsWanted.map(flowTo), varying);
    const sums = totals.carried.map((flow) => flow && { flow, before: placeholder(flow) });
    const sumsCarried = sums.filter((sum) => sum !== undefined);
    const loop = bindLoop({
      constants: range(constants).map(at),
      carry: [
        ...step.carried.map(({ input, cotangent }) => {
          return { inside: cotangent, outside: dys[input - constants] ?? zeros(cotangent) };
        }),
        ...sumsCarried.map(({ before }) => ({ inside: before, outside: zeros(before) })),
      ],
      slices: [...slices, ...kept],
      next: [
        ...step.carried.map(({ input }) => flowTo(input)),
        ...sumsCarried.map(({ flow, before }) => add(before, flow)),
      ],
      outputs: [...slicesWanted.map(flowTo), ...totals.stacked],
      length,
      reverse: !reverse,
    });
    const after = loop.carry.slice(step.carried.length);
    const finished = totals.finish(
      sums.map((sum) => sum && after.shift()),
      loop.outputs.slice(slicesWanted.length),
    );
    const cotangents: (Tensor | undefined)[] = inputs.map(() => undefined);
    step.carried.forEach(({ input }, i) => (cotangents[input] = loop.carry[i]));
    slicesWanted.forEach((input, i) => (cotangents[input] = loop.outputs[i]));
    constantsWanted.forEach((input, i) => (cotangents[input] = finished[i]));
    return cotangents;
  };

/** The step and its gradient, as graphs over the inputs of the body and cotangents. */
interface BackwardStep {
  /** The inputs of the body. */
  readonly leaves: readonly Tensor[];
  /** What the body computes from them. */
  readonly results: readonly Tensor[];
  /** Inputs whose cotangent runs through the loop. */
  readonly carried: readonly { readonly input: number; readonly cotangent: Tensor }[];
  /** Outputs of the loop that have a cotangent. */
  readonly arriving: readonly { readonly output: number; readonly cotangent: Tensor }[];
  /** Constants and slices that need a cotangent, and to which one flows. */
  readonly wanted: readonly number[];
  /** The share of an input's cotangent that comes from one step. */
  readonly flowTo: (input: number) => Tensor;
  readonly params: ScanParams;
}

interface BackwardOptions {
  readonly dys: readonly (Tensor | undefined)[];
  readonly wanted: readonly boolean[];
  readonly pullback: Pullback;
}

function backwardStep(params: ScanParams, { dys, wanted, pullback }: BackwardOptions): BackwardStep {
  const { body, constants, carry } = params;
  const leaves = body.inputs.map(placeholder);
  const results = apply(body, leaves);
  const isCarry = (input: number) => input >= constants && input < constants + carry;
  const isNeeded = (type: TensorType, input: number) =>
    isFloat(type.dtype) && (isCarry(input) || wanted[input] === true);
  const needed = [...body.inputs.keys()].filter((input) => isNeeded(body.inputs[input]!, input));
  const carried = needed.filter(isCarry).map((input) => ({ input, cotangent: placeholder(body.inputs[input]!) }));
  const outputs = [...results.keys()].filter((output) => output >= carry && dys[output] !== undefined);
  const arriving = outputs.map((output) => ({ output, cotangent: placeholder(results[output]!) }));
  const cotangents: (Tensor | undefined)[] = results.map(() => undefined);
  for (const { input, cotangent } of carried) cotangents[input - constants] = cotangent;
  for (const { output, cotangent } of arriving) cotangents[output] = cotangent;
  const flown = pullback(
    results,
    cotangents,
    needed.map((input) => leaves[input]!),
  );
  const flows = new Map(needed.map((input, i) => [input, flown[i]]));
  return {
    leaves,
    results,
    carried,
    arriving,
    wanted: needed.filter((input) => !isCarry(input) && flows.get(input)),
    flowTo: (input) => flows.get(input) ?? zeros(leaves[input]!),
    params,
  };
}

/** Has the forward loop keep what the backward step reads. */
function keptBy(node: Node, { leaves, results, carried, arriving, wanted, flowTo, params }: BackwardStep): LoopInput[] {
  const { constants, carry } = params;
  const residuals = residualsOf({
    backward: [...carried.map(({ input }) => input), ...wanted].map(flowTo),
    cotangents: [...carried, ...arriving].map(({ cotangent }) => cotangent),
    forward: results,
    carry: leaves.slice(constants, constants + carry),
    slices: leaves.slice(constants + carry),
  });
  const isSame = (x: Tensor, y: Tensor) => x.node === y.node && x.output === y.output;
  const placeOf = (residual: Tensor) => results.findIndex((result, i) => i >= carry && isSame(result, residual));
  const added = residuals.filter((residual) => placeOf(residual) < 0);
  const outputs = extendLoop(node, toProgram([...results, ...added], leaves));
  return residuals.map((inside) => {
    const place = placeOf(inside);
    return { inside, outside: outputs[place < 0 ? results.length + added.indexOf(inside) : place]! };
  });
}
