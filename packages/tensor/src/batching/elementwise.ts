/** Batching of elementwise primitives: they act on the larger tensor as on the smaller. */
import { bind } from "../graph.ts";
import type { BinaryPrimitive, BitwisePrimitive, UnaryPrimitive } from "../primitive.ts";
import { binaryNames, bitwiseNames, unaryNames } from "../primitive.ts";
import type { OneResult, PrimitiveParams } from "../program.ts";
import type { Batched, BatchingRule } from "./rule.ts";
import { stacked } from "./rule.ts";

type Elementwise = UnaryPrimitive | BinaryPrimitive | BitwisePrimitive | Other;
type Other = (typeof others)[number];
const others = ["stopGradient", "not", "compare", "select", "cast"] as const;

function elementwise<P extends OneResult>(primitive: P): BatchingRule<P> {
  const rule = ({ inputs, params, size }: { inputs: readonly Batched[]; params: PrimitiveParams[P]; size: number }) =>
    bind(
      primitive,
      inputs.map((input) => stacked(input, size)),
      params,
    );
  return rule as unknown as BatchingRule<P>;
}

const tableOf = <P extends OneResult>(primitives: readonly P[]) =>
  Object.fromEntries(primitives.map((primitive) => [primitive, elementwise(primitive)])) as unknown as {
    readonly [Q in P]: BatchingRule<Q>;
  };

export const elementwiseBatching: { readonly [P in Elementwise]: BatchingRule<P> } = {
  ...tableOf(unaryNames),
  ...tableOf(binaryNames),
  ...tableOf(bitwiseNames),
  ...tableOf(others),
};
