/** Who is waited for before a round opens, and which part of the coordinator's set is whose. */
import { invitesAll } from "./cohort.ts";
import { change, type Draft } from "./draft.ts";
import { sendPartition } from "./partition.ts";
import { bufferedPace } from "./plan.ts";
import type { Roster } from "./roster.ts";
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

/**
 * Cuts the coordinator's set for local work in as many parts as workers are expected, and sends each of these workers its own, unless
 * it has it. A part is given when it is first asked for; of a crowd that is seldom asked, most never need one.
 */
export function assignPartitions(draft: Draft, ids: readonly string[]): void {
  const { plan, expected, slots, workers } = draft.state;
  if (plan.work.kind !== "local" || plan.examples === 0) return;
  const served = workers.present - presentOwners(workers);
  const of = Math.max(served, expected - (workers.present - served));
  if (of !== slots) change(draft, { slots: of });
  const parts = new Parts(workers, of);
  for (const id of ids) {
    const worker = workers.get(id);
    if (worker === undefined || worker.ownExamples !== undefined) continue;
    const { partition, holdsPartition } = worker;
    const isIts = partition?.of === of && parts.holder(partition.index) === worker.slot;
    if (!isIts) sendPartition(draft, id, { index: parts.give(worker), of });
    else if (!holdsPartition) sendPartition(draft, id, partition);
  }
}

function presentOwners(workers: Roster<WorkerState>): number {
  if (workers.owners === 0) return 0;
  let owners = workers.owners;
  for (const { ownExamples } of workers.absent()) if (ownExamples !== undefined) owners -= 1;
  return owners;
}

/** Who has which part; one whose holder is away is kept for it as long as there are others to give. */
class Parts {
  readonly #workers: Roster<WorkerState>;
  /** By part: the slot of its holder, from 1; 0 for none. */
  readonly #holders: Uint32Array;
  #nextFree = 0;
  #nextLeft = 0;

  constructor(workers: Roster<WorkerState>, of: number) {
    this.#workers = workers;
    this.#holders = new Uint32Array(of);
    for (const { slot, partition, ownExamples, awaySinceMs } of workers.known()) {
      if (partition?.of !== of || ownExamples !== undefined) continue;
      const before = this.holder(partition.index);
      const isLeft = before !== undefined && this.#isAway(before) && awaySinceMs === undefined;
      if (before === undefined || isLeft) this.#holders[partition.index] = slot + 1;
    }
  }

  /** The slot of the worker that has a part. */
  holder(part: number): number | undefined {
    const holder = this.#holders[part] ?? 0;
    return holder === 0 ? undefined : holder - 1;
  }

  /** A part for a worker: that of its slot's number, if nobody has it. */
  give({ slot }: WorkerState): number {
    const part = this.holder(slot) === undefined && slot < this.#holders.length ? slot : this.#nextToGive();
    this.#holders[part] = slot + 1;
    return part;
  }

  #nextToGive(): number {
    const holders = this.#holders;
    while (this.#nextFree < holders.length && holders[this.#nextFree] !== 0) this.#nextFree += 1;
    if (this.#nextFree < holders.length) return this.#nextFree;
    for (; this.#nextLeft < holders.length; this.#nextLeft++) {
      if (this.#isAway(this.holder(this.#nextLeft) ?? -1)) return this.#nextLeft;
    }
    throw new Error("there are as many parts as workers");
  }

  #isAway(slot: number): boolean {
    return this.#workers.at(slot)?.awaySinceMs !== undefined;
  }
}
