/** The minimum cut against trying every set of vertices. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { CutVertex } from "../src/loop/minimumCut.ts";
import { minimumCut } from "../src/loop/minimumCut.ts";

/** Graphs whose edges lead upwards; every source has a finite weight, so that a cut exists. */
const graphs = fc
  .array(
    fc.record({
      weight: fc.integer({ min: 1, max: 9 }),
      isFree: fc.boolean(),
      isSource: fc.boolean(),
      isSink: fc.boolean(),
      next: fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 9 },
  )
  .map((list): CutVertex[] =>
    list.map(({ isFree, next, ...vertex }, v) => ({
      ...vertex,
      weight: isFree && !vertex.isSource ? Infinity : vertex.weight,
      next: next.map((by) => v + by).filter((to) => to < list.length),
    })),
  );

function parts(graph: readonly CutVertex[], chosen: ReadonlySet<number>): boolean {
  const open = [...graph.keys()].filter((v) => graph[v]!.isSource);
  const seen = new Set(open);
  for (let v = open.pop(); v !== undefined; v = open.pop()) {
    if (chosen.has(v)) continue;
    if (graph[v]!.isSink) return false;
    const fresh = graph[v]!.next.filter((to) => !seen.has(to));
    for (const to of fresh) seen.add(to);
    open.push(...fresh);
  }
  return true;
}

const weightOf = (graph: readonly CutVertex[], chosen: Iterable<number>) =>
  [...chosen].reduce((sum, v) => sum + graph[v]!.weight, 0);

it("parts sources from sinks at the least weight", () => {
  fc.assert(
    fc.property(graphs, (graph) => {
      const cut = minimumCut(graph);
      expect(parts(graph, new Set(cut))).toBe(true);
      let least = Infinity;
      for (let mask = 0; mask < 2 ** graph.length; mask++) {
        const chosen = new Set([...graph.keys()].filter((v) => (mask >> v) & 1));
        if (parts(graph, chosen)) least = Math.min(least, weightOf(graph, chosen));
      }
      expect(weightOf(graph, cut)).toBe(least);
    }),
    { numRuns: 200 },
  );
});

it("takes of equal cuts the one nearest to the sources", () => {
  const chain = [0, 1, 2].map((v) => ({ weight: 4, isSource: v === 0, isSink: v === 2, next: v < 2 ? [v + 1] : [] }));
  expect(minimumCut(chain)).toEqual([0]);
});
