/** A seeded storm of events against the round machine on a virtual clock, with an independent check after every step. */
import type { RunPlan } from "../src/round/plan.ts";
import type { RunEffect } from "../src/round/runEvent.ts";
import type { RunState } from "../src/round/state.ts";
import { type Storm, World } from "./storm/world.ts";

export const plan: RunPlan = {
  seed: 7,
  work: { kind: "gradient", batchSize: 12 },
  cohort: { fraction: 1 },
  quorum: { fraction: 1 },
  deadlineMs: 1000,
  examples: 100,
  stop: { rounds: 30 },
  gatherMs: 300,
};

export interface StormResult {
  readonly state: RunState;
  readonly commits: number;
  /** Uploads that broke and were gone on with. */
  readonly resumed: number;
  /** Versions between the base and the round of the oldest update that was counted. */
  readonly stalest: number;
  readonly effects: readonly RunEffect[];
}

/** Runs the storm, then lets everyone present work honestly until the run ends. Throws at the first broken promise. */
export function runStorm(storm: Storm): StormResult {
  const world = new World(storm);
  for (let i = 0; i < storm.events; i++) world.randomEvent();
  world.calm();
  const { commits, resumed, stalest } = world.ledger;
  return { state: world.state, commits, resumed, stalest, effects: world.log };
}
