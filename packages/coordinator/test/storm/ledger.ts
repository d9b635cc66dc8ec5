/** What a careful shell would write down beside the round machine: orders, uploads, sums; it objects to the first broken promise. */
import type { WorkOrder } from "@weft/protocol";
import type { RunPlan } from "../../src/round/plan.ts";
import type { RunEffect, RunEvent } from "../../src/round/runEvent.ts";
import type { RunState } from "../../src/round/state.ts";

/** A training order as its worker holds it. */
export interface Given {
  readonly worker: string;
  readonly round: number;
  readonly attempt: number;
  readonly order: WorkOrder;
  readonly deadlineAtMs: number;
}

interface Sent {
  readonly id: number;
  readonly worker: string;
  readonly round: number;
  readonly attempt: number;
  place: "nowhere" | "sums" | "aside";
  accepted: boolean;
}

/** Who is where, as the world knows it. */
export interface Census {
  /** Whether a message now reaches the worker. */
  isConnected(worker: string): boolean;
  /** Whether it is connected, or was a shorter while ago than the gathering time. */
  isAwaited(worker: string): boolean;
}

export class Ledger {
  commits = 0;
  resumed = 0;
  stalest = 0;
  /** The newest order of each worker that it has not answered for good. */
  readonly orders = new Map<string, Given>();
  readonly #plan: RunPlan;
  readonly #census: Census;
  readonly #uploads = new Map<number, Sent>();
  readonly #accepted = new Set<string>();
  readonly #named = new Map<string, string>();
  readonly #slices = new Map<number, boolean[]>();
  /** Weights and sums of losses that workers have answered, by version. */
  readonly #answers = new Map<number, { readonly weight: number; readonly loss: number }[]>();
  #room = 0;
  #openRound = 0;

  constructor(plan: RunPlan, census: Census) {
    this.#plan = plan;
    this.#census = census;
  }

  get #isBuffered(): boolean {
    return this.#plan.pace?.kind === "buffered";
  }

  placeOf(upload: number): Sent["place"] {
    return this.#uploads.get(upload)?.place ?? "nowhere";
  }

  /** Before the machine hears of an upload. */
  begin(id: number, { worker, round, attempt }: Pick<Given, "worker" | "round" | "attempt">): void {
    if (!this.#uploads.has(id)) {
      this.#uploads.set(id, { id, worker, round, attempt, place: "nowhere", accepted: false });
    }
  }

  /** Enters what the machine answered to an event. */
  enter(event: RunEvent, effects: readonly RunEffect[], state: RunState): void {
    // A new connection knows of no order but what it is given; a declined one is over.
    const isDeclined = event.kind === "declined" && this.orders.get(event.worker)?.attempt === event.attempt;
    if (event.kind === "joined" || isDeclined) this.orders.delete(event.worker);
    if (event.kind === "evaluated") this.#enterAnswer(event);
    for (const effect of effects) this.#enterOne(effect, event, effects, state);
    this.#checkGone(event);
    this.#checkKnown(state);
  }

  #enterOne(effect: RunEffect, event: RunEvent, effects: readonly RunEffect[], state: RunState): void {
    switch (effect.kind) {
      case "open":
        if (this.#inSums().length > 0) fail("an attempt opens on sums that are not empty");
        this.#room = effect.contributions;
        this.#openRound = effect.round;
        return;
      case "sendWork":
        if (effect.order.kind !== "evaluate") this.#enterOrder(effect, event);
        return;
      case "receive":
        this.#enterReceive(effect);
        return;
      case "hold":
        this.#sent(effect.upload).place = "aside";
        return;
      case "resume":
        if (this.#sent(effect.upload).place === "nowhere") fail("an upload that was taken out is gone on with");
        this.resumed += 1;
        return;
      case "discard":
        this.#enterDiscard(effect.upload, event, effects);
        return;
      case "verdict":
        this.#enterVerdict(effect);
        return;
      case "reopened":
        if (this.#inSums().length > 0) fail("an attempt was given up with updates in its sums");
        return;
      case "commit":
        this.#enterCommit(effect, event, state);
        this.#checkShortSaid(effect, effects, state);
        return;
      case "evaluated":
      case "unevaluated":
        this.#checkEvaluated(effect);
        return;
      default:
        return;
    }
  }

  #enterOrder(effect: Extract<RunEffect, { kind: "sendWork" }>, event: RunEvent): void {
    const { worker, round, attempt, order, version, deadlineMs } = effect;
    if (!this.#census.isConnected(worker)) fail(`${worker} is given work while it is away`);
    const isAgain = event.kind === "joined" && event.worker === worker;
    const name = `${round}/${attempt}/${worker}`;
    const text = JSON.stringify(order);
    if (isAgain ? (this.#named.get(name) ?? text) !== text : this.#named.has(name))
      fail(`order ${name} was given twice`);
    if (!isAgain && version !== this.commits) fail(`${worker} is given work on version ${version} of ${this.commits}`);
    if (this.#isBuffered && !this.#named.has(name)) this.#useSlice(order);
    this.#named.set(name, text);
    this.orders.set(worker, { worker, round, attempt, order, deadlineAtMs: event.nowMs + deadlineMs });
  }

  #enterReceive({ upload, discount }: Extract<RunEffect, { kind: "receive" }>): void {
    const sent = this.#sent(upload);
    if (sent.place === "sums") fail(`upload ${upload} is folded in twice`);
    sent.place = "sums";
    if (this.#inSums().length > this.#room) fail("the sums have no room for so many updates");
    const { pace } = this.#plan;
    const age = this.#openRound - sent.round;
    const rule = pace?.kind === "buffered" ? pace.staleness : { kind: "polynomial", exponent: 0.5 };
    const expected = rule.kind === "polynomial" && "exponent" in rule ? (1 + age) ** -rule.exponent : 1;
    if (Math.abs(discount - expected) > 1e-12) fail(`an update of age ${age} weighs ${discount}, not ${expected}`);
  }

  /** Whoever is there hears what became of its update. */
  #enterDiscard(id: number, event: RunEvent, effects: readonly RunEffect[]): void {
    const sent = this.#sent(id);
    if (sent.accepted) fail(`upload ${id} was accepted, and taken out`);
    const told = effects.some((effect) => effect.kind === "verdict" && effect.worker === sent.worker);
    const ownDoing = "worker" in event && event.worker === sent.worker && event.kind !== "updateArrived";
    if (sent.place !== "nowhere" && !told && !ownDoing && this.#census.isConnected(sent.worker)) {
      fail(`upload ${id} of ${sent.worker} was lost in silence`);
    }
    sent.place = "nowhere";
  }

  #enterVerdict({ worker, round, attempt, verdict }: Extract<RunEffect, { kind: "verdict" }>): void {
    const given = this.orders.get(worker);
    if (given?.round === round && given.attempt === attempt) this.orders.delete(worker);
    if (verdict.code !== "accepted") return;
    const name = `${round}/${attempt}/${worker}`;
    if (this.#accepted.has(name)) fail(`update ${name} was accepted twice`);
    this.#accepted.add(name);
    const sent = this.#inSums().find((one) => one.worker === worker && one.round === round && one.attempt === attempt);
    if (sent === undefined) fail(`update ${name} was accepted and is not in the sums`);
    else sent.accepted = true;
  }

  #enterAnswer({ round, weight, metrics }: Extract<RunEvent, { kind: "evaluated" }>): void {
    this.#answers.set(round, [...(this.#answers.get(round) ?? []), { weight, loss: metrics["loss"] ?? NaN }]);
  }

  /** Every answer that came before the close is in the mean. */
  #checkEvaluated(effect: Extract<RunEffect, { kind: "evaluated" | "unevaluated" }>): void {
    const answers = this.#answers.get(effect.version) ?? [];
    const counted = effect.kind === "evaluated" ? effect.workers : 0;
    if (counted !== answers.length) fail(`an evaluation counts ${counted} of ${answers.length} answers`);
    if (effect.kind === "unevaluated") return;
    const weight = answers.reduce((sum, answer) => sum + answer.weight, 0);
    const mean = answers.reduce((sum, answer) => sum + answer.loss, 0) / weight;
    if (Math.abs((effect.metrics["loss"] ?? NaN) - mean) > 1e-9)
      fail("an evaluation's mean is not that of its answers");
  }

  #enterCommit(effect: Extract<RunEffect, { kind: "commit" }>, event: RunEvent, state: RunState): void {
    if (effect.round !== this.commits + 1) fail(`round ${effect.round} follows ${this.commits}`);
    if (effect.round !== this.#openRound) fail("a round was committed that is not the open one");
    const inSums = this.#inSums();
    const held = inSums.map(({ id }) => id).sort((a, b) => a - b);
    const asked = [...effect.uploads].sort((a, b) => a - b);
    if (held.join() !== asked.join()) fail(`the sums hold [${held.join()}], not [${asked.join()}]`);
    if (asked.length === 0) fail("a round was committed without an update");
    for (const sent of inSums) this.#checkCounted(sent, effect.round);
    if (!this.#isBuffered) {
      if (new Set(inSums.map(({ worker }) => worker)).size < asked.length)
        fail("a worker was counted twice in a round");
      if (state.phase.kind === "committing")
        for (const { order } of state.phase.round.members.values()) this.#useSlice(order);
    }
    this.#checkNobodyLeftBehind(effect.round, event.nowMs);
    for (const { id } of inSums) this.#uploads.delete(id);
    this.commits += 1;
  }

  /** Whoever asked for more updates than a round closes with is told, and nobody else. */
  #checkShortSaid(
    { uploads }: Extract<RunEffect, { kind: "commit" }>,
    effects: readonly RunEffect[],
    { plan, phase }: RunState,
  ): void {
    if (phase.kind !== "committing") return;
    const { members, needed } = phase.round;
    const { quorum, pace } = plan;
    const share = "count" in quorum ? quorum.count : Math.ceil(quorum.fraction * needed - 1e-9);
    const [asked, came] = this.#isBuffered
      ? [pace?.kind === "buffered" ? pace.size : 0, uploads.length]
      : [share, [...members.values()].filter(({ status }) => status === "delivered").length];
    const said = effects.find((effect) => effect.kind === "closedShort");
    if (came < asked && said === undefined) fail(`a round is short (${came} of ${asked} updates) and nobody is told`);
    if (said !== undefined && (said.updates !== came || said.asked !== asked || came >= asked)) {
      fail(`a round that closes with ${came} of ${asked} updates is said to have ${said.updates} of ${said.asked}`);
    }
  }

  #checkCounted({ id, accepted, round }: Sent, made: number): void {
    if (!accepted) fail(`upload ${id} is counted before it was whole`);
    const age = made - round;
    const { pace, late } = this.#plan;
    const most = pace?.kind === "buffered" ? (pace.maxStaleness ?? Infinity) : late === "buffer" ? 1 : 0;
    if (age > most) fail(`an update of age ${age} is counted, at most ${most} is allowed`);
    this.stalest = Math.max(this.stalest, age);
  }

  /** Nobody that still computes may fall further behind than the job allows. */
  #checkNobodyLeftBehind(made: number, nowMs: number): void {
    const { pace } = this.#plan;
    if (pace?.kind !== "buffered" || pace.maxStaleness === undefined) return;
    for (const { worker, round, deadlineAtMs } of this.orders.values()) {
      const isComputing = this.#census.isConnected(worker) && nowMs < deadlineAtMs;
      if (isComputing && made + 1 - round > pace.maxStaleness) fail(`version ${made} leaves ${worker} behind`);
    }
  }

  /** No example is given twice in an epoch. */
  #useSlice(order: WorkOrder): void {
    if (order.kind !== "gradient" || order.examples.kind !== "slice") return;
    const { epoch, start, count } = order.examples;
    const used = this.#slices.get(epoch) ?? [];
    this.#slices.set(epoch, used);
    for (let i = start; i < start + count; i++) {
      if (used[i] === true || i >= this.#plan.examples) fail(`example ${i} of epoch ${epoch} twice`);
      used[i] = true;
    }
  }

  /** Of a worker that said goodbye nothing is kept but what was accepted before. */
  #checkGone(event: RunEvent): void {
    if (event.kind !== "left") return;
    const kept = [...this.#uploads.values()].find(
      ({ worker, place, accepted }) => worker === event.worker && place !== "nowhere" && !accepted,
    );
    if (kept !== undefined) fail(`${event.worker} has left, and its unfinished upload ${kept.id} is kept`);
    this.orders.delete(event.worker);
  }

  /** The machine knows of every upload that the shell holds for it. */
  #checkKnown(state: RunState): void {
    const { phase, tasks } = state;
    if (phase.kind === "finished") return;
    const known = new Set<number | undefined>([...tasks.values()].map(({ upload }) => upload));
    if (phase.kind === "open") for (const { upload } of phase.round.members.values()) known.add(upload);
    for (const { id, place, accepted } of this.#uploads.values()) {
      if (place !== "nowhere" && !accepted && !known.has(id)) fail(`upload ${id} is forgotten`);
    }
    if (phase.kind !== "open" || this.#inSums().length >= this.#room) return;
    const aside = [...this.#uploads.values()].find(({ place }) => place === "aside");
    if (aside !== undefined) fail(`upload ${aside.id} is kept aside though the sums have room`);
  }

  #inSums(): Sent[] {
    return [...this.#uploads.values()].filter(({ place }) => place === "sums");
  }

  #sent(id: number): Sent {
    return this.#uploads.get(id) ?? fail(`upload ${id} was never begun`);
  }
}

export function fail(what: string): never {
  throw new Error(what);
}
