/** Workers, a clock and an operator around the round machine, all driven by one seed. */
import { countsForQuorum, type CountRule } from "../../src/round/cohort.ts";
import { evaluationAttempt } from "../../src/round/evaluation.ts";
import type { RunPlan } from "../../src/round/plan.ts";
import { hashOf } from "../../src/round/random.ts";
import type { RunEffect, RunEvent } from "../../src/round/runEvent.ts";
import { initialState, type RunState } from "../../src/round/state.ts";
import { step } from "../../src/round/step.ts";
import { type Census, fail, Ledger } from "./ledger.ts";
import { checkClosing, checkRest, type RestContext } from "./rest.ts";

/** The machine, or one with a bug planted in it. */
export type Machine = (
  state: RunState,
  event: RunEvent,
) => { readonly state: RunState; readonly effects: readonly RunEffect[] };

export interface Storm {
  readonly plan: RunPlan;
  readonly seed: number;
  readonly workers: number;
  readonly events: number;
  readonly counts?: CountRule;
  /** Default the machine itself. */
  readonly machine?: Machine;
  /** The plan that the machine is given, where it is to follow another than it is held to. */
  readonly given?: RunPlan;
}

/** What a worker outside the machine remembers. */
interface Puppet {
  readonly id: string;
  connected: boolean;
  awaySinceMs: number;
  slot: number | undefined;
  work: { round: number; attempt: number } | undefined;
  upload: number | undefined;
  /** An upload whose connection broke. */
  broken: number | undefined;
  /** The version that it was asked to measure. */
  asked: number | undefined;
}

/** RunEvent without the time. */
type Happening = RunEvent extends infer E ? (E extends RunEvent ? Omit<E, "nowMs"> : never) : never;

export class World {
  state: RunState;
  readonly log: RunEffect[] = [];
  readonly ledger: Ledger;
  readonly #storm: Storm;
  readonly #machine: Machine;
  readonly #puppets: Puppet[];
  readonly #census: Census;
  #rules: RunPlan;
  #nowMs = 0;
  #draws = 0;
  #uploads = 0;
  #committing = false;
  #paused = false;
  #wakeAtMs: number | undefined;

  constructor(storm: Storm) {
    this.#storm = storm;
    this.#rules = storm.plan;
    const rules = { counts: storm.counts ?? countsForQuorum };
    this.#machine = storm.machine ?? ((state, event) => step(state, event, rules));
    this.state = initialState(storm.given ?? storm.plan, 2);
    this.#puppets = Array.from({ length: storm.workers }, (_, i) => ({
      id: `w${i}`,
      connected: false,
      awaySinceMs: -Infinity,
      slot: undefined,
      work: undefined,
      upload: undefined,
      broken: undefined,
      asked: undefined,
    }));
    this.#census = {
      isConnected: (worker) => this.#puppet(worker).connected,
      isAwaited: (worker) => {
        const { connected, awaySinceMs } = this.#puppet(worker);
        return connected || this.#nowMs < awaySinceMs + storm.plan.gatherMs;
      },
    };
    this.ledger = new Ledger(storm.plan, this.#census);
  }

  #puppet(id: string): Puppet {
    return this.#puppets[Number(id.slice(1))] ?? fail(`who is ${id}?`);
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
    if (this.#draw(60) === 0) {
      this.#operate();
      return;
    }
    const puppet = this.#puppets[this.#draw(this.#puppets.length)]!;
    const worker = puppet.id;
    const choice = this.#draw(20);
    if (!puppet.connected) {
      if (choice < 8) this.#join(puppet);
      return;
    }
    if (choice < 3) this.#end(puppet, choice < 1 ? "left" : "disconnected");
    else if (choice < 4) this.#stale(worker);
    else if (choice < 5 && puppet.work !== undefined) this.#decline(puppet);
    else if (choice < 8 && puppet.asked !== undefined) this.#measure(puppet, choice);
    else if (puppet.upload !== undefined) this.#goOn(puppet, choice);
    else if (puppet.work !== undefined) this.#begin(puppet);
  }

  /** Everyone who is there answers; the run must then end. */
  calm(): void {
    const first = this.#puppets[0]!;
    if (this.#paused) this.#operate("unpause");
    for (let turn = 0; this.state.phase.kind !== "finished"; turn++) {
      if (turn > 5000) fail(`the run did not end: ${JSON.stringify(this.state.phase)}`);
      if (this.#committing) this.#commitDone();
      if (!first.connected) this.#join(first);
      for (const puppet of this.#puppets) {
        if (!puppet.connected) continue;
        if (puppet.asked !== undefined) this.#measure(puppet, 7);
        if (puppet.upload === undefined && puppet.work !== undefined) this.#begin(puppet);
        if (puppet.upload !== undefined) this.#goOn(puppet, 19);
      }
      this.#pass(50);
    }
  }

  #operate(what: "any" | "unpause" = "any"): void {
    const choice = what === "unpause" ? 0 : this.#draw(3);
    if (choice === 0) {
      this.#paused = !this.#paused;
      this.#send({ kind: this.#paused ? "pause" : "unpause" });
    } else if (choice === 1 || this.#rules.pace?.kind === "buffered")
      this.#change({ deadlineMs: 150 + this.#draw(900) });
    else this.#change({ quorum: { count: 1 + this.#draw(4) } });
  }

  #change(changes: { readonly deadlineMs?: number; readonly quorum?: { readonly count: number } }): void {
    this.#rules = { ...this.#rules, ...changes };
    this.#send({ kind: "change", changes });
  }

  #join(puppet: Puppet): void {
    puppet.connected = true;
    this.#send({ kind: "joined", worker: puppet.id, slot: puppet.slot });
    puppet.slot = this.state.workers.get(puppet.id)?.slot;
  }

  #end(puppet: Puppet, kind: "left" | "disconnected"): void {
    const { upload, id: worker } = puppet;
    const awaySinceMs = kind === "left" ? -Infinity : this.#nowMs;
    const gone = { connected: false, awaySinceMs, upload: undefined, work: undefined, asked: undefined };
    // The end of the transfer is noticed before that of the connection, after it, or never.
    const noticed = upload === undefined ? 2 : this.#draw(3);
    if (noticed === 0) this.#send({ kind: "updateBroken", worker, upload: upload! });
    Object.assign(puppet, gone, { broken: kind === "left" ? undefined : upload });
    this.#send({ kind, worker });
    if (noticed === 1) this.#send({ kind: "updateBroken", worker, upload: upload! });
  }

  #begin(puppet: Puppet): void {
    const { broken, id: worker, work } = puppet;
    // As the shell does: only what is still kept can be gone on with. A restarted worker begins anew.
    const isKept = broken !== undefined && this.ledger.placeOf(broken) !== "nowhere";
    const upload = isKept && this.#draw(3) > 0 ? broken : ++this.#uploads;
    puppet.broken = undefined;
    this.ledger.begin(upload, { worker, ...work! });
    this.#send({ kind: "updateBegun", worker, upload, ...work! });
    if (this.ledger.placeOf(upload) === "nowhere") puppet.work = undefined;
    else puppet.upload = upload;
  }

  /** The upload comes to its end, breaks, or turns out to be invalid; one that is kept aside waits for its sums. */
  #goOn(puppet: Puppet, choice: number): void {
    const { id: worker } = puppet;
    const upload = puppet.upload!;
    if (choice === 8) {
      puppet.upload = undefined;
      this.#send({ kind: "updateInvalid", worker, upload, reason: { code: "norm", text: "too long" } });
    } else if (choice === 9) {
      Object.assign(puppet, { upload: undefined, broken: upload });
      this.#send({ kind: "updateBroken", worker, upload });
    } else if (this.ledger.placeOf(upload) === "sums") {
      puppet.upload = undefined;
      const { work } = puppet;
      const report = { weight: 1 + this.#draw(20), computeMs: this.#draw(100), loss: this.#draw(50) };
      this.#send({ kind: "updateArrived", worker, upload, report });
      // Now and then the acknowledgement is lost, and the worker sends the same update again.
      if (puppet.work === work && this.#draw(4) > 0) puppet.work = undefined;
    }
  }

  #decline({ id: worker, work }: Puppet): void {
    this.#send({ kind: "declined", worker, ...work!, reason: { code: "loss", text: "not finite" } });
  }

  #measure(puppet: Puppet, choice: number): void {
    const { id: worker, asked } = puppet;
    puppet.asked = undefined;
    const named = { worker, round: asked!, attempt: evaluationAttempt };
    if (choice === 5) this.#send({ kind: "declined", ...named, reason: { code: "no-test-data", text: "none" } });
    else this.#send({ kind: "evaluated", ...named, weight: 1 + this.#draw(9), metrics: { loss: this.#draw(100) } });
  }

  /** An update of another round or attempt, never to be folded. */
  #stale(worker: string): void {
    const upload = ++this.#uploads;
    const round = this.#draw(this.state.version + 3);
    const attempt = 1_000_000 + this.#draw(3);
    this.ledger.begin(upload, { worker, round, attempt });
    this.#send({ kind: "updateBegun", worker, upload, round, attempt });
    if (this.ledger.placeOf(upload) !== "nowhere") fail("an update that nobody asked for is taken");
  }

  #commitDone(): void {
    this.#committing = false;
    this.#send({ kind: "committed" });
  }

  #pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    let last = -1;
    while (this.#wakeAtMs !== undefined && this.#wakeAtMs <= untilMs) {
      if (this.#wakeAtMs <= last) fail("woken for nothing");
      last = this.#wakeAtMs;
      this.#nowMs = last;
      this.#send({ kind: "tick" });
    }
    this.#nowMs = untilMs;
  }

  #send(happening: Happening): void {
    const event = { ...happening, nowMs: this.#nowMs } as RunEvent;
    const { state, effects } = this.#machine(this.state, event);
    this.state = state;
    this.log.push(...effects);
    for (const effect of effects) this.#carryOut(effect, event);
    this.ledger.enter(event, effects, state);
    if (this.#isOver()) return;
    checkRest(state, this.#context());
  }

  #isOver(): boolean {
    return this.state.phase.kind === "finished";
  }

  #context(): RestContext {
    const connected = this.#puppets.filter((puppet) => puppet.connected).map(({ id }) => id);
    const { ledger } = this;
    const paused = this.#paused;
    return { rules: this.#rules, nowMs: this.#nowMs, census: this.#census, ledger, paused, connected };
  }

  #carryOut(effect: RunEffect, event: RunEvent): void {
    switch (effect.kind) {
      case "open":
        if (this.#paused) fail(`round ${effect.round} opens while the run is paused`);
        return;
      case "sendWork": {
        const puppet = this.#puppet(effect.worker);
        if (effect.order.kind === "evaluate") {
          puppet.asked = effect.version;
          return;
        }
        const { round, attempt } = effect;
        const isSame = puppet.work?.round === round && puppet.work.attempt === attempt;
        if (!isSame && this.#paused && event.kind !== "joined") fail("work is given out while the run is paused");
        Object.assign(puppet, { work: { round, attempt }, upload: undefined });
        return;
      }
      case "commit": {
        if (this.#committing) fail("two rounds are committed at once");
        this.#committing = true;
        const { phase } = this.state;
        if (phase.kind === "committing") checkClosing(phase.round, this.#context());
        return;
      }
      case "wake":
        this.#wakeAtMs = effect.atMs;
        return;
      case "dismiss":
        Object.assign(this.#puppet(effect.worker), {
          connected: false,
          awaySinceMs: -Infinity,
          upload: undefined,
          work: undefined,
          broken: undefined,
          asked: undefined,
        });
        return;
      default:
        return;
    }
  }
}
