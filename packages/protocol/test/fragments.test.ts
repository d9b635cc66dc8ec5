/** The parts of a model that rounds bring in by turns: whole parameters, in order, as even as they can be. */
import { fragmentOf, type JobDocument, type LocalJobWork, sharedFragments } from "@weft/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { draft } from "./samples.ts";

const streaming = (sizes: readonly number[], fragments: number): Pick<JobDocument, "parameters" | "round"> => {
  const work: LocalJobWork = {
    ...{ kind: "local", steps: 1, batchSize: 1, optimizer: { name: "sgd" } },
    streaming: { fragments },
  };
  return {
    parameters: sizes.map((size, i) => ({ name: `p${i}`, shape: [size], kind: "weight" })),
    round: { ...draft.round, work },
  };
};
const sizesOf = (document: Pick<JobDocument, "parameters" | "round">) =>
  sharedFragments(document).map((part) => part.map(({ shape }) => shape[0]!));
const total = (sizes: readonly number[]) => sizes.reduce((sum, size) => sum + size, 0);

/** The least that the largest of so many parts can be, by trying every place to cut. */
function leastLargest(sizes: readonly number[], parts: number): number {
  if (parts === 1) return total(sizes);
  const cuts = sizes.slice(1).map((_, i) => i + 1);
  return Math.min(
    ...cuts.map((cut) => Math.max(total(sizes.slice(0, cut)), leastLargest(sizes.slice(cut), parts - 1))),
  );
}

test("fragments are all parameters in order, none is empty, and the largest is as small as can be", () => {
  const cases = fc
    .array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 9 })
    .chain((sizes) => fc.tuple(fc.constant(sizes), fc.integer({ min: 1, max: Math.min(4, sizes.length) })));
  fc.assert(
    fc.property(cases, ([sizes, fragments]) => {
      const parts = sizesOf(streaming(sizes, fragments));
      expect(parts.flat()).toEqual(sizes);
      expect(parts).toHaveLength(fragments);
      const most = Math.max(...parts.map(total));
      // With fewer parts than asked for the largest is no smaller.
      expect(most).toBe(Math.min(...Array.from({ length: fragments }, (_, i) => leastLargest(sizes, i + 1))));
    }),
  );
});

test("parameters without elements make no fragment of their own", () => {
  expect(sizesOf(streaming([0, 5, 0, 0, 7, 0], 2))).toEqual([
    [0, 5, 0, 0],
    [7, 0],
  ]);
});

test("a job that does not stream has one fragment of everything", () => {
  const { parameters } = streaming([3, 4], 2);
  expect(sizesOf({ parameters, round: draft.round })).toEqual([[3, 4]]);
});

test("rounds, which count from 1, bring fragments in by turns", () => {
  expect([1, 2, 3, 4, 5].map((round) => fragmentOf(round, 3))).toEqual([0, 1, 2, 0, 1]);
});
