/**
 * The promises of a run, spelt out once more beside the round machine: it listens to every event, state and effect, keeps books
 * of its own, and throws at the first promise that is broken.
 */
import type { RunEffect, RunEvent, RunState, Stepped } from "@weft/coordinator";
import { checkOpen, checkQuorum } from "./closing.ts";
import { exactUpdate, partOf } from "./exactJob.ts";
import { BrokenPromise } from "./brokenPromise.ts";

interface Arriving {
  readonly worker: string;
  readonly round: number;
  readonly attempt: number;
  /** In the sums; else it is kept aside. */
  folding: boolean;
  /** Beside a fresh update's weight. */
  discount: number;
  /** The last byte is there, and the round has said so. */
  whole: boolean;
  /** Why it must not be counted as it is. */
  void: string | undefined;
}

/** What was asked of a worker; names its update. */
interface Given {
  readonly version: number;
  readonly seed: number;
  readonly weight: number;
}

/** Weights are whole numbers; where updates are discounted, a fresh example weighs so much. */
const unit = 1024;

type EffectOf<K extends RunEffect["kind"]> = Extract<RunEffect, { kind: K }>;

export class Audit {
  /** What every version must be, bit for bit, made from the orders alone. */
  readonly #versions: Float32Array[] = [];
  readonly #arriving = new Map<number, Arriving>();
  readonly #accepted = new Set<string>();
  readonly #given = new Map<string, Given>();
  /** Sizes of the parts that workers hold. */
  readonly #parts = new Map<string, number>();
  /** Whether the open sums have room for discounts. */
  #discounts = false;
  /** Shown as committed to the outside: never to be undone. */
  #announced = 0;
  #state: RunState | undefined;

  /** @param initial version 0 */
  begin(initial: Float32Array): void {
    this.#versions.push(initial.slice());
  }

  get state(): RunState | undefined {
    return this.#state;
  }

  /** A coordinator has come back: nothing of the one before is in its sums, but all that was announced is in its model. */
  restarted(version: number): void {
    this.#arriving.clear();
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
    if (wrong < 0 && weights.length === expected.length) return;
    throw new BrokenPromise(
      `version ${version} is ${weights[wrong] ?? "cut off"} at element ${wrong}; its updates, each counted once, make ${expected[wrong] ?? "no such element"}`,
    );
  }

  /** One step of the round machine, as the shell is going to carry it out. */
  step(before: RunState, event: RunEvent, { state, effects }: Stepped): void {
    this.#note(event);
    for (const effect of effects) this.#follow(effect, event, { before, after: state });
    this.#state = state;
    checkOpen(state, event.nowMs);
  }

  /** Nothing is under way: time may pass. */
  rest(nowMs: number): void {
    const state = this.#state;
    if (state?.phase.kind === "committing") {
      throw new BrokenPromise(`round ${state.phase.round.round} is never committed`);
    }
    // The shell's timers may be a millisecond late.
    if (state !== undefined) checkOpen(state, nowMs - 2);
  }

  #note(event: RunEvent): void {
    if (event.kind === "left" || event.kind === "disconnected" || event.kind === "joined") {
      for (const arriving of this.#arriving.values()) {
        if (arriving.worker === event.worker && !arriving.whole) {
          arriving.void = `its worker had ${event.kind} before it was whole`;
        }
      }
    }
    if (event.kind === "updateBegun" && !this.#arriving.has(event.upload)) {
      const { worker, round, attempt } = event;
      const fresh = { folding: false, discount: 1, whole: false, void: undefined };
      this.#arriving.set(event.upload, { worker, round, attempt, ...fresh });
    }
    if (event.kind === "updateBroken" || event.kind === "updateInvalid") {
      const arriving = this.#arriving.get(event.upload);
      if (arriving?.whole === false)
        arriving.void = event.kind === "updateBroken" ? "it broke off" : "it was not valid";
    }
  }

  #follow(effect: RunEffect, event: RunEvent, states: { readonly before: RunState; readonly after: RunState }): void {
    switch (effect.kind) {
      case "open":
        this.#discounts = effect.discounts;
        this.#assertEmpty(`round ${effect.round} opens on sums that are not empty`);
        return;
      case "sendPartition":
        this.#parts.set(effect.worker, partOf(effect.index, effect.of).length);
        return;
      case "sendWork":
        this.#noteOrder(effect);
        return;
      case "receive":
        this.#fold(effect, states);
        return;
      case "hold":
        Object.assign(this.#arriving.get(effect.upload) ?? {}, { folding: false });
        return;
      case "resume":
        Object.assign(this.#arriving.get(effect.upload) ?? {}, { void: undefined });
        return;
      case "discard":
        this.#arriving.delete(effect.upload);
        return;
      case "reopened":
        // In a buffered pace the sums stay open when all orders on a version have failed.
        if (states.after.plan.pace?.kind !== "buffered") {
          this.#assertEmpty("an attempt was given up with updates in its sums");
        }
        return;
      case "verdict":
        if (effect.verdict.code === "accepted") this.#accept(effect, event);
        return;
      case "commit":
        this.#commit(effect, states.after, event.nowMs);
        return;
      default:
        return;
    }
  }

  #assertEmpty(otherwise: string): void {
    for (const { folding } of this.#arriving.values()) if (folding) throw new BrokenPromise(otherwise);
  }

  #noteOrder({ worker, round, attempt, version, order }: EffectOf<"sendWork">): void {
    if (order.kind === "evaluate") return;
    const weight = order.kind === "gradient" ? order.examples.count : (this.#parts.get(worker) ?? 0);
    this.#given.set(`${round}/${attempt}/${worker}`, { version, seed: order.seed, weight });
  }

  #fold({ upload, discount }: EffectOf<"receive">, { before, after }: { before: RunState; after: RunState }): void {
    const arriving = this.#arriving.get(upload);
    if (arriving === undefined) throw new BrokenPromise(`upload ${upload}, which never came, is folded in`);
    const { worker, round, attempt } = arriving;
    const isAskedFor = [before, after].some(({ phase, tasks }) => {
      const task = tasks.get(worker);
      if (task?.round === round && task.attempt === attempt) return true;
      return (
        phase.kind === "open" &&
        phase.round.round === round &&
        phase.round.attempt === attempt &&
        phase.round.members.has(worker)
      );
    });
    if (!isAskedFor) {
      throw new BrokenPromise(`an update for round ${round}, attempt ${attempt} is folded in that nobody waits for`);
    }
    Object.assign(arriving, { folding: true, discount });
  }

  #accept({ worker, round, attempt }: EffectOf<"verdict">, event: RunEvent): void {
    const key = `${round}/${attempt}/${worker}`;
    if (this.#accepted.has(key)) throw new BrokenPromise(`update ${key} was accepted twice`);
    this.#accepted.add(key);
    const arriving = event.kind === "updateArrived" ? this.#arriving.get(event.upload) : undefined;
    if (arriving?.folding !== true) throw new BrokenPromise(`update ${key} was accepted without having arrived`);
    arriving.whole = true;
  }

  #commit({ round, uploads }: EffectOf<"commit">, after: RunState, nowMs: number): void {
    const newest = this.#versions[round - 1];
    if (newest === undefined) throw new BrokenPromise(`round ${round} is closed before round ${round - 1}`);
    if (uploads.length === 0) throw new BrokenPromise(`round ${round} is closed without an update`);
    const inSums = [...this.#arriving].filter(([, { folding }]) => folding);
    const [held, asked] = [inSums.map(([upload]) => upload), uploads].map((ids) =>
      ids.toSorted((a, b) => a - b).join(),
    );
    if (held !== asked) {
      throw new BrokenPromise(`round ${round}: the sums hold uploads [${held ?? ""}], counted are [${asked ?? ""}]`);
    }
    const names = new Set<string>();
    for (const [, arriving] of inSums) {
      const name = `${arriving.round}/${arriving.attempt}/${arriving.worker}`;
      if (names.has(name)) throw new BrokenPromise(`round ${round} counts update ${name} twice`);
      names.add(name);
      if (arriving.void !== undefined)
        throw new BrokenPromise(`round ${round} counts an update although ${arriving.void}`);
      if (!arriving.whole)
        throw new BrokenPromise(`round ${round} counts an update that is not there to its last byte`);
    }
    if (after.phase.kind !== "committing") throw new BrokenPromise(`round ${round} is committed and not closed`);
    checkQuorum(after, after.phase.round, nowMs);
    this.#versions[round] = this.#stepOf(
      newest,
      inSums.map(([, arriving]) => arriving),
      after,
    );
    this.#versions.length = round + 1;
    for (const [upload] of inSums) this.#arriving.delete(upload);
  }

  /** The next version: the mean of the exact updates of whoever delivered, taken off in one subtraction. */
  #stepOf(newest: Float32Array, counted: readonly Arriving[], { plan }: RunState): Float32Array {
    const sums = new Float64Array(newest.length);
    let [total, fresh] = [0, 0];
    for (const { worker, round, attempt, discount } of counted) {
      const given = this.#given.get(`${round}/${attempt}/${worker}`);
      const base = given === undefined ? undefined : this.#versions[given.version];
      if (given === undefined || base === undefined) {
        throw new BrokenPromise(`an update for round ${round} was counted that nobody was asked for`);
      }
      const weight = given.weight * (this.#discounts ? Math.max(1, Math.round(unit * discount)) : 1);
      exactUpdate(base, given.seed, given.weight).forEach((value, i) => (sums[i]! += weight * value));
      total += weight;
      fresh += given.weight * (this.#discounts ? unit : 1);
    }
    // A buffer of old updates makes a smaller step.
    const divisor = plan.pace?.kind === "buffered" ? fresh : total;
    return newest.map((value, i) => value - Math.fround(sums[i]! / divisor));
  }
}
