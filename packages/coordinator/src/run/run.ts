/** The shell of the round machine: events from sessions and the clock go in one by one, its effects are carried out in order. */
import type { Connection } from "@weft/transport";
import { RunError } from "../errors.ts";
import type { FinishReason } from "../events.ts";
import type { Outcome } from "../outcome.ts";
import type { Happening } from "../round/runEvent.ts";
import type { RunState } from "../round/state.ts";
import { Alarm } from "./alarm.ts";
import { Attendance } from "./attendance.ts";
import { evaluateNewest } from "./commitRound.ts";
import type { OperatorWord } from "./committer.ts";
import type { AttachedCrowd, CrowdEntrance } from "./crowd.ts";
import { Effects } from "./effects.ts";
import type { LiveRun, RunParts } from "./liveRun.ts";
import { reportOf, type RunReport } from "./report.ts";
import { SessionEvents } from "./sessionEvents.ts";
import { takeIn } from "./takeIn.ts";
import { Verdicts } from "./verdicts.ts";

export class Run implements LiveRun {
  readonly finished: Promise<Outcome>;
  readonly parts: RunParts;
  readonly attendance: Attendance;
  readonly verdicts: Verdicts;
  readonly #settled = Promise.withResolvers<Outcome>();
  readonly #effects: Effects;
  readonly #queue: Happening[] = [];
  #state: RunState;
  #handling = false;
  #over = false;
  #ended: Pick<Outcome, "reason" | "detail"> | undefined;
  readonly #alarm: Alarm;
  #closeServer: () => Promise<void> = () => Promise.resolve();

  constructor(parts: RunParts) {
    this.parts = parts;
    this.#state = parts.state;
    this.attendance = new Attendance({ ...parts.session, host: new SessionEvents(this) });
    this.verdicts = new Verdicts({ ...parts.session, emit: parts.emit });
    this.#effects = new Effects(this);
    this.finished = this.#settled.promise;
    this.#alarm = new Alarm(parts.session.clock, () => {
      this.dispatch({ kind: "tick" });
    });
    // Whoever does not ask for the outcome need not handle its failure; it is logged as well.
    this.finished.catch(() => undefined);
  }

  get state(): RunState {
    return this.#state;
  }

  get workers(): number {
    return this.#state.workers.present;
  }

  isOver(): boolean {
    return this.#over;
  }

  /** Where it stands. */
  report(): RunReport {
    const { run, name, committer } = this.parts;
    const { metrics, waiting } = committer;
    return reportOf(this.#state, { run, name, metrics, waiting, ended: this.#ended });
  }

  /** Whether a worker with this token has been here before. */
  knows(resumeToken: string): boolean {
    return this.parts.session.identities.knows(resumeToken);
  }

  attach(connection: Connection): void {
    if (this.#over) {
      connection.close(1001, "the run is over");
      return;
    }
    this.attendance.attach(connection);
  }

  /** Takes in many workers at once, who are all there. */
  attachCrowd(entrance: CrowdEntrance, size: number): AttachedCrowd {
    return takeIn(this, entrance, size);
  }

  /** What listens for the run is closed with it. */
  closeAlso(closeServer: () => Promise<void>): void {
    this.#closeServer = closeServer;
  }

  dispatch(happening: Happening): void {
    this.#queue.push(happening);
    if (this.#handling) return;
    this.#handling = true;
    const { decide, session } = this.parts;
    try {
      for (let next = this.#queue.shift(); next !== undefined && !this.#over; next = this.#queue.shift()) {
        const { state, effects } = decide(this.#state, { ...next, nowMs: session.clock.now() });
        this.#state = state;
        for (const effect of effects) this.#effects.carryOut(effect);
      }
    } catch (error) {
      this.failed(error);
    } finally {
      this.#handling = false;
    }
  }

  /**
   * What an operator says is on the disk before it holds: no kill undoes what was answered.
   *
   * @throws {StoreError} when it cannot be written, {@link RunError} when there are no rounds left that it could hold for
   */
  operate(said: OperatorWord): void {
    if (this.#isDone()) {
      const { run } = this.parts;
      throw new RunError(`run ${run}: ${said.kind} comes too late, the run has ended or is about to; resume it first`);
    }
    this.parts.committer.record(said);
    this.dispatch(said);
  }

  /** Ends after the round being committed. */
  stop(detail: string): void {
    if (this.#isDone()) return;
    try {
      this.parts.committer.noteStop(detail);
      this.dispatch({ kind: "stop", detail });
    } catch (error) {
      this.failed(error);
    }
  }

  /** Whether no further round opens, whatever happens. */
  #isDone(): boolean {
    return this.#over || this.#state.phase.kind === "finished";
  }

  wakeAt(atMs: number | undefined): void {
    this.#alarm.set(atMs);
  }

  finish(reason: Exclude<FinishReason, "aborted">, detail: string): void {
    void this.#finish(reason, detail).catch((error: unknown) => {
      this.#settled.reject(error);
    });
  }

  /** Everything is closed, and `finished` rejects. */
  failed(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.parts.session.log.error({ err: error }, "the run has failed");
    void this.#shutDown(1011, "the coordinator has failed").then(
      () => this.#settled.reject(error),
      () => this.#settled.reject(error),
    );
  }

  /** Closes everything at once; nothing more is written. */
  async abort(): Promise<void> {
    if (!this.#over) {
      this.#over = true;
      await this.#shutDown(1001, "the coordinator was aborted");
      this.#settle("aborted", "aborted", undefined);
    }
    await this.finished.catch(() => undefined);
  }

  /** Evaluates and stores the last version, tells everyone, closes everything. */
  async #finish(reason: Exclude<FinishReason, "aborted">, detail: string): Promise<void> {
    const { committer, run } = this.parts;
    try {
      this.#over = true;
      this.#alarm.cancel();
      await evaluateNewest(this);
      const checkpointed = await committer.checkpoint("always");
      const ended = reason === "stopped" || reason === "failed" ? reason : "finished";
      await committer.saveMeta({ status: ended, detail });
      this.attendance.tell({ kind: "finished", run, reason: detail, metrics: committer.metrics });
      await this.#shutDown(reason === "stopped" ? 1001 : 1000, detail);
      this.#settle(reason, detail, checkpointed?.path);
    } catch (error) {
      this.parts.session.log.error({ err: error }, "the run could not be ended in good order");
      await this.#shutDown(1011, "the coordinator has failed");
      throw error;
    }
  }

  #settle(reason: FinishReason, detail: string, path: string | undefined): void {
    const { committer, emit } = this.parts;
    const { version, metrics, weights, traffic } = committer;
    const outcome = { reason, detail, metrics, rounds: version, version, path, traffic };
    this.#ended = outcome;
    emit({ event: "finished", ...outcome });
    this.#settled.resolve({ ...outcome, weights });
  }

  async #shutDown(code: number, reason: string): Promise<void> {
    this.#alarm.cancel();
    await this.attendance.close(code, reason);
    await this.#closeServer();
    this.parts.committer.giveUp();
    // A round under way finds its store open to the end.
    await this.#effects.committed;
    await this.parts.committer.close();
  }
}
