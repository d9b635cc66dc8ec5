/** Gradient of a call: by the Program that it brings, or by one that computes the body again from its operands. */
import { apply } from "../apply.ts";
import { isFloat } from "../dtype.ts";
import { zeros } from "../elementary.ts";
import { Tensor, bindAll } from "../graph.ts";
import { trace } from "../trace.ts";
import type { ManyApplication, ManyVjpRule, Pullback } from "./rule.ts";

/** The rule needs to differentiate the body, so it is given the means. */
export const callRule =
  (pullback: Pullback): ManyVjpRule<"call"> =>
  (dys, application) => {
    const { backward } = application.params;
    if (!backward) return byBody(dys, application, pullback);
    const { inputs, node } = application;
    const outputs = node.kind === "operation" ? node.outputs : [];
    const results = outputs.map((type, i) => new Tensor(type, node, i));
    const cotangents = results.flatMap((result, i) => (isFloat(result.dtype) ? [dys[i] ?? zeros(result)] : []));
    const flown = apply(backward, [...inputs, ...results, ...cotangents]);
    return inputs.map(({ dtype }) => (isFloat(dtype) ? flown.shift() : undefined));
  };

/** A call again, of the same kind, so that a gradient of the gradient keeps nothing either. */
function byBody(
  dys: readonly (Tensor | undefined)[],
  { inputs, params, wanted }: ManyApplication<"call">,
  pullback: Pullback,
): (Tensor | undefined)[] {
  const { body, recompute } = params;
  const arrived = dys.filter((dy) => dy !== undefined);
  const needed = [...inputs.keys()].filter((i) => wanted[i]);
  const gradient = trace(
    (...operands) => {
      const leaves = operands.slice(0, inputs.length);
      const cotangents = operands.slice(inputs.length);
      const flown = pullback(
        apply(body, leaves),
        dys.map((dy) => dy && cotangents.shift()),
        needed.map((i) => leaves[i]!),
      );
      return flown.map((flow, n) => flow ?? zeros(leaves[needed[n]!]!));
    },
    [...body.inputs, ...arrived],
  );
  const results = bindAll("call", [...inputs, ...arrived], { body: gradient, recompute });
  return inputs.map((_, i) => (needed.includes(i) ? results[needed.indexOf(i)] : undefined));
}
