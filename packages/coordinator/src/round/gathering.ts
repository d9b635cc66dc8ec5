/** Who is waited for before a round opens, and which part of the coordinator's set is whose. */
import { invitesAll, presentWorkers } from "./cohort.ts";
import { change, type Draft } from "./draft.ts";
import { sendPartition } from "./partition.ts";
import { bufferedPace } from "./plan.ts";
import type { WorkerState } from "./state.ts";

/**
 * Whether the next round need not wait for more workers. The clock runs while some are there, but fewer than expected;
 * when it is out, those present become the expectation. A run under way waits only if its rounds invite everyone: a
 * sample is as good without the one that is missing.
 */
export function gathered(draft: Draft): boolean {
  const { present } = draft.state.workers;
  const { expected, started, plan } = draft.state;
  if (present >= expected) {
    change(draft, { expected: present });
    return true;
  }
  if (present === 0) return false;
  const since = draft.state.shortSinceMs ?? draft.nowMs;
  if (draft.nowMs >= since + plan.gatherMs) {
    change(draft, { expected: present, shortSinceMs: undefined });
    return true;
  }
  if (started && (!invitesAll(draft.state) || bufferedPace(plan) !== undefined)) return true;
  return false;
}

/** Starts or stops the gathering clock. */
export function noteShortage(draft: Draft): void {
  const { present } = draft.state.workers;
  const short = present > 0 && present < draft.state.expected;
  if (short === (draft.state.shortSinceMs !== undefined)) return;
  change(draft, { shortSinceMs: short ? draft.nowMs : undefined });
}

/** Cuts the coordinator's set for local work in as many parts as workers are expected, and gives each its own. */
export function assignPartitions(draft: Draft): void {
  const { plan, expected, slots } = draft.state;
  if (plan.work.kind !== "local" || plan.examples === 0) return;
  const present = presentWorkers(draft.state);
  const served = present.filter(({ ownExamples }) => ownExamples === undefined);
  const of = Math.max(served.length, expected - (present.length - served.length));
  if (of !== slots) change(draft, { slots: of });
  // A part whose holder is away is kept for it as long as there are others to give.
  const held = new Map<number, WorkerState>();
  for (const worker of [...served, ...draft.state.workers.values()]) {
    if (worker.partition?.of === of && !held.has(worker.partition.index)) held.set(worker.partition.index, worker);
  }
  const parts = Array.from({ length: of }, (_, index) => index);
  const free = parts.filter((index) => !held.has(index));
  const left = parts.filter((index) => held.get(index)?.awaySinceMs !== undefined);
  for (const { id, partition, holdsPartition } of served) {
    if (partition?.of === of && held.get(partition.index)?.id === id) {
      if (!holdsPartition) sendPartition(draft, id, partition);
      continue;
    }
    const index = free.shift() ?? left.shift();
    if (index === undefined) throw new Error("there are as many parts as workers");
    sendPartition(draft, id, { index, of });
  }
}
