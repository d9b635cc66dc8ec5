/**
 * The promises of a run, spelt out once more beside the round machine: it listens to every event, state and effect, keeps books
 * of its own, and throws at the first promise that is broken.
 */
import type { OpenRound, RunEffect, RunEvent, RunState, Stepped } from "@weft/coordinator";
import { exactUpdate, partOf } from "./exactJob.ts";

/** A promise was not kept; the message says which. */
export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";
}

interface Folding {
  readonly worker: string;
  readonly round: number;
  readonly attempt: number;
  /** The last byte is there, and the round has said so. */
  whole: boolean;
  /** Why it must not be counted. */
  void: string | undefined;
}

export interface Counted {
  readonly round: number;
  readonly updates: number;
}

export class Audit {
  /** What every version must be, bit for bit, made from the orders alone. */
  readonly #versions: Float32Array[] = [];
  /** Rounds whose commit was asked for, by round; a restart may ask for one again that was not durable. */
  readonly counted: Counted[] = [];
  readonly #folding = new Map<number, Folding>();
  readonly #accepted = new Set<string>();
  /** Orders given out, and the sizes of the parts that workers hold. */
  readonly #orders = new Map<string, { readonly version: number; readonly seed: number; readonly weight: number }>();
  readonly #parts = new Map<string, number>();
  /** Shown as committed to the outside: never to be undone. */
  #announced = 0;
  #state: RunState | undefined;
  #pausedNow = false;

  /** Version 0 as the coordinator made it. */
  begin(weights: Float32Array): void {
    if (this.#versions.length === 0) this.#versions.push(weights.slice());
  }

  get state(): RunState | undefined {
    return this.#state;
  }

  /** A coordinator has come (back): nothing of the one before is in its sums, but all that was announced is in its model. */
  restarted(version: number): void {
    this.#folding.clear();
    this.#accepted.clear();
    this.#state = undefined;
    if (version < this.#announced) {
      throw new BrokenPromise(`round ${this.#announced} was committed, but after a restart the run is at ${version}`);
    }
  }

  announced(round: number): void {
    if (round !== this.#announced + 1 && round !== this.#announced) {
      throw new BrokenPromise(`round ${round} is announced after round ${this.#announced}`);
    }
    this.#announced = round;
  }

  /** A version as the coordinator has it. */
  version(version: number, weights: Float32Array): void {
    const expected = this.#versions[version];
    if (expected === undefined) throw new BrokenPromise(`version ${version} is there before its round was closed`);
    const wrong = expected.findIndex((value, i) => !Object.is(value, weights[i]));
    if (wrong >= 0 || weights.length !== expected.length) {
      throw new BrokenPromise(
        `version ${version} is ${String(weights[wrong])} at element ${wrong}; its updates, each counted once, make ${String(expected[wrong])}`,
      );
    }
  }

  /** One step of the round machine, as the shell is going to carry it out. */
  step(before: RunState, event: RunEvent, { state, effects }: Stepped): void {
    this.#note(event);
    for (const effect of effects) this.#follow(effect, event, before, state);
    this.#state = state;
    this.#pausedNow = state.paused;
    this.#checkRest(state, event.nowMs);
  }

  /** Nothing is under way: time may pass. */
  rest(nowMs: number): void {
    const state = this.#state;
    if (state === undefined) return;
    if (state.phase.kind === "committing")
      throw new BrokenPromise(`round ${state.phase.round.round} is never committed`);
    // The shell's timers may be a millisecond late.
    if (state.phase.kind === "open" && nowMs > state.phase.round.deadlineAtMs + 2) {
      throw new BrokenPromise(`round ${state.phase.round.round} is open past its deadline`);
    }
  }

  #note(event: RunEvent): void {
    if (event.kind === "left" || event.kind === "disconnected" || event.kind === "joined") {
      for (const folding of this.#folding.values()) {
        if (folding.worker === event.worker && !folding.whole)
          folding.void = `its worker had ${event.kind} before it was whole`;
      }
    }
    if (event.kind === "updateBroken" || event.kind === "updateInvalid") {
      const folding = this.#folding.get(event.upload);
      if (folding !== undefined && !folding.whole)
        folding.void = event.kind === "updateBroken" ? "it broke off" : "it was not valid";
    }
  }

  #follow(effect: RunEffect, event: RunEvent, before: RunState, after: RunState): void {
    switch (effect.kind) {
      case "open":
        if (this.#folding.size > 0) throw new BrokenPromise(`round ${effect.round} opens on sums that are not empty`);
        return;
      case "sendPartition":
        this.#parts.set(effect.worker, partOf(effect.index, effect.of).length);
        return;
      case "sendWork":
        this.#noteOrder(effect);
        return;
      case "receive":
        if (event.kind === "updateBegun") {
          const { worker, round, attempt } = event;
          this.#folding.set(effect.upload, { worker, round, attempt, whole: false, void: undefined });
          const open = before.phase.kind === "open" ? before.phase.round : undefined;
          if (open?.round !== round || open.attempt !== attempt || !open.members.has(worker)) {
            throw new BrokenPromise(
              `an update for round ${round}, attempt ${attempt} is folded in that nobody asked for`,
            );
          }
        }
        return;
      case "discard":
        this.#folding.delete(effect.upload);
        return;
      case "reopened":
        if (this.#folding.size > 0) throw new BrokenPromise("an attempt was given up with updates in its sums");
        return;
      case "verdict":
        if (effect.verdict.code === "accepted") this.#accept(effect, event);
        return;
      case "commit":
        this.#commit(effect, after, event.nowMs);
        return;
      default:
        return;
    }
  }

  #accept({ worker, round, attempt }: Extract<RunEffect, { kind: "verdict" }>, event: RunEvent): void {
    const key = `${round}/${attempt}/${worker}`;
    if (this.#accepted.has(key)) throw new BrokenPromise(`update ${key} was accepted twice`);
    this.#accepted.add(key);
    const folding = event.kind === "updateArrived" ? this.#folding.get(event.upload) : undefined;
    if (folding === undefined) throw new BrokenPromise(`update ${key} was accepted without having arrived`);
    folding.whole = true;
  }

  #commit(effect: Extract<RunEffect, { kind: "commit" }>, after: RunState, nowMs: number): void {
    const { round, uploads } = effect;
    const version = this.#versions[round - 1];
    if (version === undefined) throw new BrokenPromise(`round ${round} is closed before round ${round - 1}`);
    const inSums = [...this.#folding.keys()].toSorted((a, b) => a - b).join();
    const asked = uploads.toSorted((a, b) => a - b).join();
    if (inSums !== asked)
      throw new BrokenPromise(`round ${round}: the sums hold uploads [${inSums}], counted are [${asked}]`);
    if (uploads.length === 0) throw new BrokenPromise(`round ${round} is closed without an update`);
    const workers = new Set<string>();
    for (const folding of this.#folding.values()) {
      if (workers.has(folding.worker)) throw new BrokenPromise(`round ${round} counts an update of one worker twice`);
      workers.add(folding.worker);
      if (folding.void !== undefined)
        throw new BrokenPromise(`round ${round} counts an update although ${folding.void}`);
      if (!folding.whole) throw new BrokenPromise(`round ${round} counts an update that is not there to its last byte`);
    }
    if (after.phase.kind !== "committing") throw new BrokenPromise(`round ${round} is committed and not closed`);
    this.#checkQuorum(after, after.phase.round, nowMs);
    this.#versions[round] = this.#stepOf(version);
    this.#versions.length = round + 1;
    this.counted.push({ round, updates: uploads.length });
    this.#folding.clear();
  }

  /** The next version: the mean of the exact updates of whoever delivered, taken off in one subtraction. */
  #stepOf(newest: Float32Array): Float32Array {
    const sums = new Float64Array(newest.length);
    let total = 0;
    for (const { worker, round, attempt } of this.#folding.values()) {
      const order = this.#orders.get(`${round}/${attempt}/${worker}`);
      const base = order === undefined ? undefined : this.#versions[order.version];
      if (order === undefined || base === undefined)
        throw new BrokenPromise(`an update for round ${round} was counted that nobody was asked for`);
      exactUpdate(base, order.seed, order.weight).forEach((value, i) => (sums[i]! += order.weight * value));
      total += order.weight;
    }
    return newest.map((value, i) => value - Math.fround(sums[i]! / total));
  }

  #noteOrder({ worker, round, attempt, version, order }: Extract<RunEffect, { kind: "sendWork" }>): void {
    if (order.kind === "evaluate") return;
    const weight = order.kind === "gradient" ? order.examples.count : (this.#parts.get(worker) ?? 0);
    this.#orders.set(`${round}/${attempt}/${worker}`, { version, seed: order.seed, weight });
  }

  /** A round closes with its quorum, at its deadline, or when nobody else can deliver. */
  #checkQuorum(state: RunState, round: OpenRound, nowMs: number): void {
    const { delivered, waitedFor } = tally(state, round, nowMs);
    if (nowMs >= round.deadlineAtMs || waitedFor === 0 || delivered >= quorumOf(state, delivered + waitedFor)) return;
    throw new BrokenPromise(
      `round ${round.round} is closed with ${delivered} updates while ${waitedFor} more are to come; its quorum is ${quorumOf(state, delivered + waitedFor)}`,
    );
  }

  /** Between events no round is open that ought to be closed. */
  #checkRest(state: RunState, nowMs: number): void {
    if (state.phase.kind === "gathering") this.#checkGathering(state, nowMs);
    if (state.phase.kind !== "open") return;
    const { round } = state.phase;
    const { delivered, waitedFor } = tally(state, round, nowMs);
    if (waitedFor === 0) throw new BrokenPromise(`round ${round.round} waits for nobody`);
    if (nowMs >= round.deadlineAtMs) throw new BrokenPromise(`round ${round.round} is open past its deadline`);
    if (delivered > 0 && delivered >= quorumOf(state, delivered + waitedFor)) {
      throw new BrokenPromise(`round ${round.round} has its quorum and is still open`);
    }
  }

  #checkGathering(state: RunState, nowMs: number): void {
    const present = [...state.workers.values()].filter(({ awaySinceMs }) => awaySinceMs === undefined);
    if (this.#pausedNow || present.length === 0) return;
    if (present.length >= state.expected)
      throw new BrokenPromise(`everyone is there and round ${state.version + 1} is not opened`);
    const { shortSinceMs } = state;
    if (shortSinceMs === undefined || nowMs >= shortSinceMs + state.plan.gatherMs) {
      throw new BrokenPromise(`the time to gather is over and round ${state.version + 1} is not opened`);
    }
  }
}

function tally(state: RunState, round: OpenRound, nowMs: number): { delivered: number; waitedFor: number } {
  let [delivered, waitedFor] = [0, 0];
  for (const { worker, status } of round.members.values()) {
    if (status === "delivered") delivered += 1;
    const known = state.workers.get(worker);
    if (status !== "working" || known === undefined) continue;
    const gone = known.awaySinceMs !== undefined && nowMs >= known.awaySinceMs + state.plan.gatherMs;
    if (!gone) waitedFor += 1;
  }
  return { delivered, waitedFor };
}

function quorumOf({ plan }: RunState, all: number): number {
  const share = plan.quorum;
  return "count" in share ? Math.min(share.count, all) : Math.ceil(share.fraction * all - 1e-9);
}
