/** The roster against a plain map, and the cost of its steps. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { resumedState } from "../src/round/durable.ts";
import { Roster, type Rostered } from "../src/round/roster.ts";
import { step } from "../src/round/step.ts";
import { plan } from "./simulateRound.ts";

interface Change {
  readonly worker: number;
  readonly slot: number | undefined;
  readonly what: "join" | "leave" | "lose" | "return";
}

const changes: fc.Arbitrary<Change[]> = fc.array(
  fc.record({
    worker: fc.nat(60),
    slot: fc.option(fc.nat(80), { nil: undefined }),
    what: fc.constantFrom("join", "leave", "lose", "return"),
  }),
  { maxLength: 200 },
);

/** The lowest free slot, or the one wanted, found by looking. */
function freeIn(model: ReadonlyMap<string, Rostered>, wanted: number | undefined): number {
  const taken = new Set([...model.values()].map(({ slot }) => slot));
  if (wanted !== undefined && !taken.has(wanted)) return wanted;
  let slot = 0;
  while (taken.has(slot)) slot += 1;
  return slot;
}

function same(roster: Roster<Rostered>, model: ReadonlyMap<string, Rostered>): void {
  const inOrder = [...model.values()].toSorted((a, b) => a.slot - b.slot);
  expect([...roster.values()]).toEqual(inOrder);
  expect([...roster.keys()]).toEqual(inOrder.map(({ id }) => id));
  expect(roster.size).toBe(model.size);
  expect(roster.present).toBe(inOrder.filter(({ awaySinceMs }) => awaySinceMs === undefined).length);
  const absent = [...roster.absent()].map(({ id }) => id).toSorted();
  expect(absent).toEqual(
    inOrder
      .filter(({ awaySinceMs }) => awaySinceMs !== undefined)
      .map(({ id }) => id)
      .toSorted(),
  );
}

test("a roster says what a map would, whatever comes and goes, and rosters of before stay as they were", () => {
  fc.assert(
    fc.property(changes, (all) => {
      let roster = Roster.empty<Rostered>();
      const model = new Map<string, Rostered>();
      const kept: [Roster<Rostered>, Map<string, Rostered>][] = [];
      for (const { worker, slot, what } of all) {
        const id = `w${worker}`;
        const known = model.get(id);
        expect(roster.get(id)).toBe(known);
        expect(roster.freeSlot(slot)).toBe(freeIn(model, slot));
        if (what === "join" && known === undefined) {
          const joined = { id, slot: roster.freeSlot(slot), awaySinceMs: undefined };
          model.set(id, joined);
          roster = roster.with(joined);
        } else if (what === "leave") {
          model.delete(id);
          roster = roster.without([id]);
        } else if (known !== undefined) {
          const changed = { ...known, awaySinceMs: what === "lose" ? 7 : undefined };
          model.set(id, changed);
          roster = roster.with(changed);
        }
        kept.push([roster, new Map(model)]);
      }
      for (const [before, as] of kept.slice(-20)) same(before, as);
    }),
    { numRuns: 60 },
  );
});

test("thousands of workers are found again after half of them have left", () => {
  let roster = Roster.empty<Rostered>();
  const ids = Array.from({ length: 5000 }, (_, i) => `worker ${i * 7919}`);
  for (const id of ids) roster = roster.with({ id, slot: roster.freeSlot(undefined), awaySinceMs: undefined });
  expect(roster.get("worker 0")?.slot).toBe(0);
  expect([...roster.values()].map(({ slot }) => slot)).toEqual(ids.map((_, i) => i));
  roster = roster.without(ids.filter((_, i) => i % 2 === 0));
  expect(roster.size).toBe(2500);
  expect(ids.every((id, i) => roster.has(id) === (i % 2 === 1))).toBe(true);
  expect(roster.freeSlot(undefined)).toBe(0);
});

test("a slot belongs to one worker", () => {
  const roster = Roster.empty<Rostered>().with({ id: "a", slot: 3, awaySinceMs: undefined });
  expect(() => roster.with({ id: "b", slot: 3, awaySinceMs: undefined })).toThrow("slot 3 is worker a's, not b's");
  const moved = roster.with({ id: "a", slot: 1, awaySinceMs: undefined });
  expect([moved.size, moved.get("a")?.slot, moved.freeSlot(3)]).toEqual([1, 1, 3]);
});

test("a run goes on although two workers have held the same slot: it is the last one's", () => {
  const progress = { epoch: 0, start: 0, epochs: 0, expected: 2, positions: { first: 12, second: 5 } };
  const workers = [
    { id: "first", slot: 0 },
    { id: "second", slot: 0 },
    { id: "third", slot: 1 },
  ];
  const state = resumedState(plan, { version: 3, progress, workers, nowMs: 0 });
  expect([...state.workers.keys()]).toEqual(["second", "third"]);
  const back = step(state, { kind: "joined", worker: "first", slot: 0, ownExamples: 20, nowMs: 1 }).state;
  expect(back.workers.get("first")).toMatchObject({ slot: 2, position: 12 });
});
