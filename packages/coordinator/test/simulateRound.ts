/** A seeded storm of events against the round machine on a virtual clock, with an independent check after every step. */
import { countsForQuorum, type CountRule } from "../src/round/cohort.ts";
import type { RunPlan } from "../src/round/plan.ts";
import { hashOf } from "../src/round/random.ts";
import type { RunEffect, RunEvent } from "../src/round/runEvent.ts";
import { initialState, type OpenRound, type RunState } from "../src/round/state.ts";
import { step } from "../src/round/step.ts";

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

/** What a worker outside the machine remembers. */
interface Puppet {
  connected: boolean;
  slot: number | undefined;
  work: { round: number; attempt: number } | undefined;
  upload: number | undefined;
  /** An upload whose connection broke. */
  broken: number | undefined;
}

export interface Storm {
  readonly plan: RunPlan;
  readonly seed: number;
  readonly workers: number;
  readonly events: number;
  readonly counts?: CountRule;
}

export interface StormResult {
  readonly state: RunState;
  readonly commits: number;
  readonly resumed: number;
  readonly effects: readonly RunEffect[];
}

/** Runs the storm, then lets everyone present work honestly until the run ends. Throws at the first broken promise. */
export function runStorm(storm: Storm): StormResult {
  const world = new World(storm);
  for (let i = 0; i < storm.events; i++) world.randomEvent();
  world.calm();
  return { state: world.state, commits: world.commits, resumed: world.resumed, effects: world.log };
}

class World {
  state: RunState;
  commits = 0;
  /** Uploads that broke and were gone on with. */
  resumed = 0;
  readonly log: RunEffect[] = [];
  readonly #storm: Storm;
  readonly #puppets: Puppet[];
  #nowMs = 0;
  #draws = 0;
  #uploads = 0;
  #committing = false;
  #wakeAtMs: number | undefined;
  /** Uploads that the machine said to fold and has not taken back: what the sums hold. */
  readonly #folded = new Map<number, { worker: string; round: number; attempt: number }>();
  /** Whole, valid uploads whose arrival the machine acknowledged. */
  readonly #applied = new Set<string>();
  readonly #slices = new Map<number, boolean[]>();

  constructor(storm: Storm) {
    this.#storm = storm;
    this.state = initialState(storm.plan, 2);
    this.#puppets = Array.from({ length: storm.workers }, () => ({
      connected: false,
      slot: undefined,
      work: undefined,
      upload: undefined,
      broken: undefined,
    }));
  }

  #draw(below: number): number {
    return hashOf(this.#storm.seed, 99, this.#draws++) % below;
  }

  randomEvent(): void {
    if (this.state.phase.kind === "finished") return;
    this.#pass(this.#draw(4) === 0 ? this.#draw(400) : this.#draw(20));
    if (this.#committing && this.#draw(2) === 0) {
      this.#commitDone();
      return;
    }
    const index = this.#draw(this.#puppets.length);
    const puppet = this.#puppets[index]!;
    const worker = `w${index}`;
    const choice = this.#draw(20);
    if (!puppet.connected) {
      if (choice < 8) this.#join(worker, puppet);
      return;
    }
    if (choice < 3) this.#end(worker, puppet, choice < 1 ? "left" : "disconnected");
    else if (choice < 4) this.#stale(worker);
    else if (choice < 5 && puppet.work !== undefined) {
      this.#send({ kind: "declined", worker, ...puppet.work, reason: { code: "loss", text: "not finite" } });
    } else if (puppet.upload !== undefined) this.#finishUpload(worker, puppet, choice);
    else if (puppet.work !== undefined) this.#begin(worker, puppet);
  }

  /** Everyone who is there answers; the run must then end. */
  calm(): void {
    const first = this.#puppets[0]!;
    for (let turn = 0; this.state.phase.kind !== "finished"; turn++) {
      if (turn > 5000) throw new Error(`the run did not end: ${JSON.stringify(this.state.phase)}`);
      if (this.#committing) this.#commitDone();
      if (!first.connected) this.#join("w0", first);
      for (const [index, puppet] of this.#puppets.entries()) {
        if (!puppet.connected) continue;
        const worker = `w${index}`;
        if (puppet.upload === undefined && puppet.work !== undefined) this.#begin(worker, puppet);
        if (puppet.upload !== undefined) this.#finishUpload(worker, puppet, 19);
      }
      this.#pass(50);
    }
  }

  #join(worker: string, puppet: Puppet): void {
    puppet.connected = true;
    this.#send({ kind: "joined", worker, slot: puppet.slot });
    puppet.slot = this.state.workers.get(worker)?.slot;
  }

  #end(worker: string, puppet: Puppet, kind: "left" | "disconnected"): void {
    const { upload } = puppet;
    Object.assign(puppet, { connected: false, upload: undefined, work: undefined, broken: upload });
    // The end of the transfer is noticed before that of the connection, after it, or never.
    const noticed = upload === undefined ? 2 : this.#draw(3);
    if (noticed === 0) this.#send({ kind: "updateBroken", worker, upload: upload! });
    this.#send({ kind, worker });
    if (noticed === 1) this.#send({ kind: "updateBroken", worker, upload: upload! });
  }

  #begin(worker: string, puppet: Puppet): void {
    const { broken } = puppet;
    // As the shell does: only what is still in the sums can be gone on with. A restarted worker begins anew.
    const goesOn = broken !== undefined && this.#folded.has(broken) && this.#draw(3) > 0;
    const upload = goesOn ? broken : ++this.#uploads;
    puppet.broken = undefined;
    this.#send({ kind: "updateBegun", worker, upload, ...puppet.work! });
    if (goesOn && !this.#folded.has(upload)) throw new Error("an upload that was gone on with was taken out");
    if (this.#folded.has(upload)) puppet.upload = upload;
    else puppet.work = undefined;
  }

  #finishUpload(worker: string, puppet: Puppet, choice: number): void {
    const upload = puppet.upload!;
    puppet.upload = undefined;
    if (choice === 5) {
      this.#send({ kind: "updateInvalid", worker, upload, reason: { code: "norm", text: "too long" } });
    } else if (choice === 6) {
      puppet.broken = upload;
      this.#send({ kind: "updateBroken", worker, upload });
    } else {
      const update = this.#folded.get(upload);
      this.#send({ kind: "updateArrived", worker, upload });
      if (update !== undefined) this.#noteApplied(update);
      // Now and then the acknowledgement is lost, and the worker sends the same update again.
      if (this.#draw(4) > 0) puppet.work = undefined;
    }
  }

  #noteApplied({ worker, round, attempt }: { worker: string; round: number; attempt: number }): void {
    const key = `${round}/${attempt}/${worker}`;
    if (this.#applied.has(key)) throw new Error(`update ${key} was accepted twice`);
    this.#applied.add(key);
  }

  /** An update of another round or attempt, never to be folded. */
  #stale(worker: string): void {
    const upload = ++this.#uploads;
    const round = this.#draw(this.state.version + 3);
    const { phase } = this.state;
    const attempt = phase.kind === "open" && phase.round.round === round ? phase.round.attempt + 1 : 0;
    this.#send({ kind: "updateBegun", worker, upload, round, attempt });
    const open = phase.kind === "open" && phase.round.round === round && phase.round.attempt === attempt;
    if (this.#folded.has(upload) && !open) throw new Error("a stale update was folded in");
  }

  #commitDone(): void {
    this.#committing = false;
    this.#send({ kind: "committed" });
  }

  #pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    let last = -1;
    while (this.#wakeAtMs !== undefined && this.#wakeAtMs <= untilMs) {
      if (this.#wakeAtMs <= last) throw new Error("woken for nothing");
      last = this.#wakeAtMs;
      this.#nowMs = last;
      this.#send({ kind: "tick" });
    }
    this.#nowMs = untilMs;
  }

  #send(event: RunEvent extends infer E ? (E extends RunEvent ? Omit<E, "nowMs"> : never) : never): void {
    const before = this.state;
    const { state, effects } = step(
      before,
      { ...event, nowMs: this.#nowMs },
      {
        counts: this.#storm.counts ?? countsForQuorum,
      },
    );
    this.state = state;
    this.log.push(...effects);
    for (const effect of effects) this.#carryOut(effect, event);
    this.#checkRest();
  }

  #carryOut(effect: RunEffect, event: { readonly kind: string }): void {
    switch (effect.kind) {
      case "open":
        if (this.#folded.size > 0) throw new Error("an attempt opens on sums that are not empty");
        return;
      case "sendWork": {
        const puppet = this.#puppets[Number(effect.worker.slice(1))]!;
        if (!puppet.connected) throw new Error(`${effect.worker} is given work while it is away`);
        puppet.work = { round: effect.round, attempt: effect.attempt };
        puppet.upload = undefined;
        return;
      }
      case "receive": {
        const { worker, round, attempt } = event as Extract<RunEvent, { kind: "updateBegun" }>;
        const twice = [...this.#folded.values()].some((other) => other.worker === worker);
        if (twice) throw new Error(`two uploads of ${worker} are in the sums`);
        this.#folded.set(effect.upload, { worker, round, attempt });
        return;
      }
      case "resume":
        if (!this.#folded.has(effect.upload)) throw new Error("an upload that was taken out is gone on with");
        this.resumed += 1;
        return;
      case "discard":
        this.#folded.delete(effect.upload);
        return;
      case "commit":
        this.#noteCommit(effect);
        return;
      case "wake":
        this.#wakeAtMs = effect.atMs;
        return;
      case "dismiss": {
        const puppet = this.#puppets[Number(effect.worker.slice(1))]!;
        Object.assign(puppet, { connected: false, upload: undefined, work: undefined, broken: undefined });
        return;
      }
      case "reopened":
        if (this.#folded.size > 0) throw new Error("an attempt was given up with updates in its sums");
        return;
      default:
        return;
    }
  }

  #noteCommit(effect: Extract<RunEffect, { kind: "commit" }>): void {
    if (this.#committing) throw new Error("two rounds are committed at once");
    if (effect.round !== this.commits + 1) throw new Error(`round ${effect.round} follows ${this.commits}`);
    this.#committing = true;
    this.commits += 1;
    const inSums = [...this.#folded.keys()].toSorted((a, b) => a - b);
    const asked = [...effect.uploads].toSorted((a, b) => a - b);
    if (inSums.join() !== asked.join()) throw new Error(`the sums hold [${inSums.join()}], not [${asked.join()}]`);
    const workers = new Set(asked.map((upload) => this.#folded.get(upload)!.worker));
    if (workers.size !== asked.length) throw new Error("a worker was counted twice in one round");
    if (asked.length === 0) throw new Error("a round was committed without an update");
    this.#folded.clear();
    const { phase } = this.state;
    const committed = this.log.findLast((logged) => logged.kind === "open");
    if (phase.kind === "committing") this.#checkSlices(phase.round);
    if (committed?.round !== effect.round) throw new Error("a round was committed that is not the open one");
  }

  /** The slices of an epoch's committed rounds never overlap. */
  #checkSlices(round: OpenRound): void {
    for (const { order } of round.members.values()) {
      if (order.kind !== "gradient" || order.examples.kind !== "slice") continue;
      const { epoch, start, count } = order.examples;
      const used = this.#slices.get(epoch) ?? [];
      this.#slices.set(epoch, used);
      for (let i = start; i < start + count; i++) {
        if (used[i] === true || i >= this.#storm.plan.examples) throw new Error(`example ${i} of epoch ${epoch} twice`);
        used[i] = true;
      }
    }
  }

  /** Between events no round is open that ought to be closed, by rules spelt out here once more. */
  #checkRest(): void {
    const { phase, plan: rules, workers } = this.state;
    if (phase.kind !== "open") return;
    const { round } = phase;
    const members = [...round.members.values()];
    const delivered = members.filter(({ status }) => status === "delivered").length;
    const waitedFor = members.filter(({ worker, status }) => {
      const awaySinceMs = workers.get(worker)?.awaySinceMs;
      const away = awaySinceMs !== undefined && this.#nowMs >= awaySinceMs + rules.gatherMs;
      return status === "working" && workers.has(worker) && !away;
    }).length;
    if (waitedFor === 0) throw new Error(`round ${round.round} waits for nobody`);
    if (this.#nowMs >= round.deadlineAtMs) throw new Error(`round ${round.round} is open past its deadline`);
    const share = rules.quorum;
    const all = delivered + waitedFor;
    const quorum = "count" in share ? Math.min(share.count, all) : Math.ceil(share.fraction * all - 1e-9);
    if (delivered > 0 && delivered >= quorum) throw new Error(`round ${round.round} has its quorum and is still open`);
  }
}
