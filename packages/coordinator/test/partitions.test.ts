/** Shares of the coordinator's set: each worker's own, kept for one that is away as long as there are others to give. */
import { expect, test } from "vitest";
import { step } from "../src/round/step.ts";
import { initialState, type RunState } from "../src/round/state.ts";
import type { RunEffect, RunEvent } from "../src/round/runEvent.ts";
import { plan } from "./simulateRound.ts";

const local = {
  ...plan,
  work: { kind: "local", epochs: 1, batchSize: 10, optimizer: { name: "sgd", learningRate: 0.1 } },
  gatherMs: 0,
} as const;

function after(events: readonly RunEvent[]): {
  state: RunState;
  parts: Extract<RunEffect, { kind: "sendPartition" }>[];
} {
  let state = initialState(local, 1);
  const parts: Extract<RunEffect, { kind: "sendPartition" }>[] = [];
  for (const event of events) {
    const stepped = step(state, event);
    state = stepped.state;
    parts.push(...stepped.effects.filter((effect) => effect.kind === "sendPartition"));
  }
  return { state, parts };
}

test("a worker that comes when another one's connection is lost gets a part that has examples", () => {
  const { parts } = after([
    { kind: "joined", worker: "first", nowMs: 0 },
    { kind: "joined", worker: "second", nowMs: 1 },
    { kind: "disconnected", worker: "first", nowMs: 2 },
  ]);
  const last = parts.at(-1);
  expect(last).toMatchObject({ worker: "second", of: 1, index: 0 });
});

test("workers that are present never hold the same part", () => {
  const { state } = after([
    { kind: "joined", worker: "first", nowMs: 0 },
    { kind: "joined", worker: "second", nowMs: 1 },
    { kind: "disconnected", worker: "first", nowMs: 2 },
    { kind: "joined", worker: "first", nowMs: 3 },
    { kind: "declined", worker: "second", round: 1, attempt: 1, reason: { code: "test", text: "no" }, nowMs: 4 },
  ]);
  const held = [...state.workers.values()].map(
    ({ partition }) => `${partition?.index ?? -1} of ${partition?.of ?? -1}`,
  );
  expect(held.toSorted()).toEqual(["0 of 2", "1 of 2"]);
});
