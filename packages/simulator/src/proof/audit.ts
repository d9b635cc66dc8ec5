/**
 * The promises of a run, spelt out once more beside the round machine: it listens to every event, state and effect, keeps books
 * of its own, and throws at the first promise that is broken.
 */
import type { RunEffect, RunEvent, RunState, Stepped } from "@weft/coordinator";
import type { CheckedJob } from "@weft/worker";
import { checkOpen, checkQuorum } from "./closing.ts";
import { partOf } from "./exactJob.ts";
import { BrokenPromise } from "./brokenPromise.ts";
import { type Room, ServerBooks, type Version } from "./serverBooks.ts";
import { type Asked, type Expected, type KeptByWorker, WorkerBooks } from "./workerBooks.ts";

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
  /** What it must hold, once it was accepted. */
  expected: Expected | undefined;
}

/** A version, and what workers kept when it was made. */
interface Made extends Version {
  readonly kept: KeptByWorker;
}

type EffectOf<K extends RunEffect["kind"]> = Extract<RunEffect, { kind: K }>;

export class Audit {
  readonly #job: CheckedJob;
  readonly #workers: WorkerBooks;
  readonly #server: ServerBooks;
  /** What every version must be, bit for bit, made from the orders alone. */
  readonly #versions: Made[];
  readonly #arriving = new Map<number, Arriving>();
  readonly #accepted = new Set<string>();
  readonly #given = new Map<string, Asked>();
  /** Sizes of the parts that workers hold, or of what they brought. */
  readonly #parts = new Map<string, number>();
  /** Whose memory it is that a worker of this identity has. */
  readonly #owners = new Map<string, string>();
  /** What the open sums have room for. */
  #room: Room = { contributions: 0, most: 0, discounts: false };
  /** Learning rates that an operator asked for, and the run may have: since the last round announced, and what held then. */
  #rates: (number | undefined)[] = [undefined];
  /** Where among them is that of the round committed last. */
  #rateUsed = 0;
  /** Shown as committed to the outside: never to be undone. */
  #announced = 0;
  #state: RunState | undefined;

  /** @param initial all parameters as the job begins them */
  constructor(job: CheckedJob, initial: Float32Array) {
    this.#job = job;
    this.#workers = new WorkerBooks(job, initial);
    this.#server = new ServerBooks(job);
    this.#versions = [{ ...this.#server.begin(this.#workers.begun), kept: new Map() }];
  }

  /** A worker was given an identity; what it keeps is the owner's. */
  identified(worker: string, owner: string): void {
    this.#owners.set(worker, owner);
  }

  /** The newest version whose round was closed. */
  get newest(): number {
    return this.#versions.length - 1;
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
    const made = this.#versions[version];
    if (made === undefined) throw new BrokenPromise(`after a restart the run is at version ${version}, never made`);
    this.#workers.restore(made.kept);
    // A process may die between making a round final and saying so.
    this.#announced = version;
  }

  announced(round: number): void {
    if (round !== this.#announced + 1 && round !== this.#announced) {
      throw new BrokenPromise(`round ${round} is announced after round ${this.#announced}`);
    }
    if (round > this.#announced) this.#rates = this.#rates.slice(this.#rateUsed);
    this.#announced = round;
  }

  /** A version as the coordinator has it. */
  version(version: number, weights: Float32Array): void {
    const { weights: expected } = this.#made(version);
    const wrong = expected.findIndex((value, i) => !Object.is(value, weights[i]));
    if (wrong < 0 && weights.length === expected.length) return;
    throw new BrokenPromise(
      `version ${version} is ${weights[wrong] ?? "cut off"} at element ${wrong}; its updates, each counted once, make ${expected[wrong] ?? "no such element"}`,
    );
  }

  /** A version as an order names it. */
  named(version: number, hash: string): void {
    const { hash: expected } = this.#made(version);
    if (hash === expected) return;
    throw new BrokenPromise(
      `an order names version ${version} ${hash}; its updates, each counted once, make ${expected}`,
    );
  }

  #made(version: number): Made {
    const made = this.#versions[version];
    if (made === undefined) throw new BrokenPromise(`version ${version} is there before its round was closed`);
    return made;
  }

  /** One step of the round machine, as the shell is going to carry it out. */
  step(before: RunState, event: RunEvent, { state, effects }: Stepped): void {
    this.#note(event);
    for (const effect of effects) this.#follow(effect, event, { before, after: state });
    this.#state = state;
    checkOpen(state, event.nowMs);
  }

  /** Nothing is under way but a wait for room on the disk, perhaps: time may pass. */
  rest(nowMs: number, { waitsForDisk }: { readonly waitsForDisk: boolean }): void {
    const state = this.#state;
    if (state?.phase.kind === "committing" && !waitsForDisk) {
      throw new BrokenPromise(`round ${state.phase.round.round} is never committed`);
    }
    // The shell's timers may be a millisecond late.
    if (state !== undefined) checkOpen(state, nowMs - 2);
  }

  #note(event: RunEvent): void {
    if (event.kind === "change" && event.changes.learningRate !== undefined) {
      this.#rates.push(event.changes.learningRate);
    }
    if (event.kind === "joined" && event.ownExamples !== undefined) this.#parts.set(event.worker, event.ownExamples);
    if (event.kind === "left" || event.kind === "disconnected" || event.kind === "joined") {
      for (const arriving of this.#arriving.values()) {
        if (arriving.worker === event.worker && !arriving.whole) {
          arriving.void = `its worker had ${event.kind} before it was whole`;
        }
      }
    }
    if (event.kind === "updateBegun" && !this.#arriving.has(event.upload)) {
      const { worker, round, attempt } = event;
      const fresh = { folding: false, discount: 1, whole: false, void: undefined, expected: undefined };
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
        this.#room = { ...effect, most: this.#mostExamples(states.after) };
        this.#assertEmpty(`round ${effect.round} opens on sums that are not empty`);
        return;
      case "sendPartition":
        this.#parts.set(effect.worker, partOf(effect.index, effect.of, this.#job.document.examples).length);
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
      case "evaluated":
        this.#checkMeasured(effect);
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
    const rows = this.#trainingRows(this.#parts.get(worker) ?? 0);
    let weight = rows;
    if (order.kind === "gradient") {
      const { examples } = order;
      weight = examples.kind === "slice" ? examples.count : Math.min(examples.count, rows - (examples.position % rows));
    }
    this.#given.set(`${round}/${attempt}/${worker}`, { worker, round, version, order, weight });
  }

  /** Of so many examples, those that a worker does not hold out. */
  #trainingRows(all: number): number {
    const { evaluation } = this.#job.document.round;
    if (evaluation?.on !== "workers" || evaluation.heldOut === undefined) return all;
    const held = Math.max(1, Math.round(all * evaluation.heldOut));
    return held < all ? all - held : all;
  }

  /** The most that any update may stand for: sums are exact for no more. */
  #mostExamples({ plan, workers }: RunState): number {
    if (plan.work.kind === "gradient") return plan.work.batchSize;
    return Math.max(plan.examples, ...[...workers.values()].map(({ ownExamples = 0 }) => ownExamples));
  }

  #checkMeasured({ version, metrics }: EffectOf<"evaluated">): void {
    const expected = this.#workers.lossOf(this.#made(version).travelled);
    if (metrics["loss"] === expected) return;
    throw new BrokenPromise(`workers measured version ${version} as ${metrics["loss"]}; its loss is ${expected}`);
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
    const expected = this.#discountOf(round, after);
    if (discount !== expected) {
      throw new BrokenPromise(
        `an update for round ${round} weighs ${discount} of a fresh one; the rules say ${expected}`,
      );
    }
    Object.assign(arriving, { folding: true, discount });
  }

  /** What an update that was asked for in a round weighs in the sums that are open now. */
  #discountOf(round: number, { version, plan }: RunState): number {
    const age = version + 1 - round;
    if (plan.pace?.kind !== "buffered") return age === 0 ? 1 : 2 ** -0.5;
    const { staleness } = plan.pace;
    return staleness.kind === "constant" ? 1 : (1 + age) ** -staleness.exponent;
  }

  #accept({ worker, round, attempt }: EffectOf<"verdict">, event: RunEvent): void {
    const key = `${round}/${attempt}/${worker}`;
    if (this.#accepted.has(key)) throw new BrokenPromise(`update ${key} was accepted twice`);
    this.#accepted.add(key);
    const arriving = event.kind === "updateArrived" ? this.#arriving.get(event.upload) : undefined;
    if (arriving?.folding !== true) throw new BrokenPromise(`update ${key} was accepted without having arrived`);
    arriving.whole = true;
    const asked = this.#given.get(key);
    if (asked === undefined) throw new BrokenPromise(`update ${key} was accepted that nobody was asked for`);
    const owner = this.#owners.get(worker) ?? worker;
    arriving.expected = this.#workers.count({ ...asked, worker: owner }, this.#made(asked.version).travelled);
  }

  #commit(effect: EffectOf<"commit">, after: RunState, nowMs: number): void {
    const { round, uploads, learningRate } = effect;
    this.#rateUsed = this.#rates.lastIndexOf(learningRate);
    if (this.#rateUsed < 0) {
      throw new BrokenPromise(`round ${round} steps by ${learningRate}; ${this.#rates.join(" or ")} was asked for`);
    }
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
    const counted = inSums.flatMap(([, { expected, discount }]) =>
      expected === undefined ? [] : [{ expected, discount }],
    );
    this.#versions[round] = {
      ...this.#server.next(newest, effect, counted, this.#room),
      kept: this.#workers.snapshot(),
    };
    this.#versions.length = round + 1;
    for (const [upload] of inSums) this.#arriving.delete(upload);
  }
}
