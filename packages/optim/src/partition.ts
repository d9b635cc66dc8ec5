/** Different optimisers, or settings, for different parameters: no weight decay on biases, a smaller rate for the first layers. */
import type { Tensor } from "@weft/tensor";
import { assertMatching, assertState, at } from "./assert.ts";
import { OptimizerError } from "./errors.ts";
import type { Optimizer } from "./optimizer.ts";
import { count, countOrZero } from "./settings.ts";
import type { GroupSpec, PartitionSpec } from "./spec.ts";

/** A parameter belongs to the first group that takes it; a group with neither condition takes all that are left. */
export interface Group {
  /** Positions in the list of parameters; `indicesOf` finds them by name. */
  readonly indices?: readonly number[];
  /** Parameters with at least so many axes: 2 for matrices and kernels, which leaves out biases and scales. */
  readonly minRank?: number;
  readonly optimizer: Optimizer;
}

/**
 * Each group's optimiser steps the group's parameters, as if there were no others.
 *
 * ```ts
 * partition([
 *   { minRank: 2, optimizer: adamw({ learningRate, weightDecay: 0.1 }) },
 *   { optimizer: adamw({ learningRate, weightDecay: 0 }) },
 * ]);
 * ```
 */
export function partition(groups: readonly Group[]): Optimizer<PartitionSpec> {
  for (const { indices, minRank } of groups) {
    if ((indices && !indices.every(countOrZero.holds)) || (minRank !== undefined && !count.holds(minRank))) {
      throw new OptimizerError(
        `partition: a group takes indices of at least 0 or a minRank of at least 1, got ${JSON.stringify({ indices, minRank })}`,
      );
    }
  }
  const spec: PartitionSpec = {
    name: "partition",
    groups: groups.map(({ optimizer, ...conditions }): GroupSpec => ({ ...conditions, optimizer: optimizer.spec })),
  };
  return divided(spec, groups);
}

/** Positions of the parameters whose names match: `indicesOf(parameters, /kernel$/)`. */
export function indicesOf(parameters: Readonly<Record<string, unknown>>, pattern: RegExp): number[] {
  return Object.keys(parameters).flatMap((name, i) => (name.search(pattern) >= 0 ? [i] : []));
}

/** What an optimiser needs to take part. */
type Part = Omit<Group, "optimizer"> & { readonly optimizer: Pick<Optimizer, "init" | "update"> };

/** The optimiser over groups, under a spec of the caller's. The state holds the groups' states, one after the other. */
export function divided<Spec extends { readonly name: string }>(spec: Spec, parts: readonly Part[]): Optimizer<Spec> {
  const init = (parameters: readonly Tensor[]) =>
    membersOf(spec.name, parts, parameters).flatMap(({ part, members }) =>
      part.optimizer.init(members.map((i) => at(parameters, i))),
    );
  return {
    spec,
    elementwise: false,
    init,
    update(parameters, gradients, state) {
      assertMatching(spec.name, parameters, gradients);
      assertState(spec.name, { expected: init(parameters), state });
      const stepped = [...parameters];
      let start = 0;
      const next = membersOf(spec.name, parts, parameters).flatMap(({ part, members }) => {
        const own = members.map((i) => at(parameters, i));
        const before = state.slice(start, (start += part.optimizer.init(own).length));
        const after = part.optimizer.update(
          own,
          members.map((i) => at(gradients, i)),
          before,
        );
        members.forEach((i, k) => (stepped[i] = at(after.parameters, k)));
        return after.state;
      });
      return { parameters: stepped, state: next };
    },
  };
}

/** Who takes which parameters; those without any are left out. */
function membersOf(
  name: string,
  parts: readonly Part[],
  parameters: readonly Tensor[],
): { part: Part; members: number[] }[] {
  const groups = parts.map((part) => ({ part, members: [] as number[] }));
  parameters.forEach((parameter, i) => {
    const taker = groups.find(({ part: { indices, minRank } }) =>
      indices || minRank !== undefined
        ? indices?.includes(i) === true || (minRank !== undefined && parameter.rank >= minRank)
        : true,
    );
    if (!taker) {
      throw new OptimizerError(
        `${name}: no group takes parameter ${i} of shape [${parameter.shape.join()}]; end with a group without conditions`,
      );
    }
    taker.members.push(i);
  });
  return groups.filter(({ members }) => members.length > 0);
}
