/** The shell of the round machine: events from sessions and the clock go in one by one, its effects are carried out in order. */
import { setImmediate } from "node:timers/promises";
import type { MessageOf } from "@weft/protocol";
import type { Connection, IncomingPayload } from "@weft/transport";
import type { CoordinatorEvent, FinishReason } from "../events.ts";
import type { Decide } from "../options.ts";
import type { Outcome } from "../outcome.ts";
import { totalRounds } from "../round/plan.ts";
import type { Happening, RunEffect } from "../round/runEvent.ts";
import type { RunState } from "../round/state.ts";
import { isBusy } from "../round/busy.ts";
import { suspendedUpload, versionCounting } from "../round/updates.ts";
import type { HeldTransfer, Session, SessionContext, SessionHost } from "../session/session.ts";
import { countedUpdates, type CountedUpdate } from "./countedUpdates.ts";
import type { Broadcast } from "../session/broadcast.ts";
import type { Uploads } from "../uploads/uploads.ts";
import { Alarm } from "./alarm.ts";
import { announcementOf } from "./announcement.ts";
import { Attendance } from "./attendance.ts";
import type { CommitEffect, Committer } from "./committer.ts";
import type { AttachedCrowd, CrowdEntrance } from "./crowd.ts";
import { takeIn } from "./takeIn.ts";
import { roundFigures } from "./figures.ts";
import { reportOf, type RunReport } from "./report.ts";
import { largestWeight, weightLimit } from "./weights.ts";
import { Verdicts } from "./verdicts.ts";

export interface RunParts {
  readonly run: string;
  /** The job's name. */
  readonly name: string;
  readonly state: RunState;
  readonly committer: Committer;
  readonly uploads: Uploads;
  readonly session: Omit<SessionContext, "host">;
  /** What follows from each event. */
  readonly decide: Decide;
  readonly emit: (event: CoordinatorEvent) => void;
}

export class Run implements SessionHost {
  readonly finished: Promise<Outcome>;
  readonly #parts: RunParts;
  readonly #settled = Promise.withResolvers<Outcome>();
  readonly #attendance: Attendance;
  readonly #verdicts: Verdicts;
  readonly #queue: Happening[] = [];
  #state: RunState;
  #handling = false;
  /** Set once no event is handled any more. */
  #over = false;
  #ended: Pick<Outcome, "reason" | "detail"> | undefined;
  #commit: Promise<void> = Promise.resolve();
  readonly #alarm: Alarm;
  #closeServer: () => Promise<void> = () => Promise.resolve();

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#state = parts.state;
    this.#attendance = new Attendance({ ...parts.session, host: this });
    this.#verdicts = new Verdicts({ ...parts.session, emit: parts.emit });
    this.finished = this.#settled.promise;
    this.#alarm = new Alarm(parts.session.clock, () => {
      this.dispatch({ kind: "tick" });
    });
    // Whoever does not ask for the outcome need not handle its failure; it is logged as well.
    this.finished.catch(() => undefined);
  }

  get #workers(): number {
    return this.#state.workers.present;
  }

  /** Where it stands. */
  report(): RunReport {
    const { run, name, committer } = this.#parts;
    const { metrics, waiting } = committer;
    return reportOf(this.#state, { run, name, metrics, waiting, ended: this.#ended });
  }

  /** Whether a worker with this token has been here before. */
  knows(resumeToken: string): boolean {
    return this.#parts.session.identities.knows(resumeToken);
  }

  attach(connection: Connection): void {
    if (this.#over) {
      connection.close(1001, "the run is over");
      return;
    }
    this.#attendance.attach(connection);
  }

  /** Takes in many workers at once, who are all there. */
  attachCrowd(entrance: CrowdEntrance, size: number): AttachedCrowd {
    return takeIn(this.#attendance, {
      ...{ entrance, size, emit: this.#parts.emit },
      dispatch: (happening) => {
        this.dispatch(happening);
      },
      workers: () => this.#workers,
      isOver: () => this.#over,
    });
  }

  /** What listens for the run is closed with it. */
  closeAlso(closeServer: () => Promise<void>): void {
    this.#closeServer = closeServer;
  }

  /** Handles an event, and those that follow from it, before it returns (or its caller does, when called from within). */
  dispatch(happening: Happening): void {
    this.#queue.push(happening);
    if (this.#handling) return;
    this.#handling = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined && !this.#over; next = this.#queue.shift()) {
        const { state, effects } = this.#parts.decide(this.#state, { ...next, nowMs: this.#parts.session.clock.now() });
        this.#state = state;
        for (const effect of effects) this.#carryOut(effect);
      }
    } catch (error) {
      this.failed(error);
    } finally {
      this.#handling = false;
    }
  }

  welcomed(session: Session): void {
    const found = this.#attendance.name(session);
    if (found?.hadJoined === true) this.dispatch({ kind: "disconnected", worker: session.worker });
    found?.before.close(1008, "the same worker has connected again");
  }

  ready(session: Session): void {
    const { identity, worker, device, ownExamples } = session;
    if (identity === undefined || this.#over) return;
    const {
      emit,
      session: { identities },
    } = this.#parts;
    this.#attendance.join(session);
    this.dispatch({ kind: "joined", worker, slot: identity.slot, ownExamples });
    const slot = this.#state.workers.get(worker)?.slot;
    if (slot !== undefined) identities.save(identity, slot);
    emit({
      event: "workerJoined",
      worker,
      name: identity.name,
      device,
      resumed: identity.known,
      workers: this.#workers,
    });
  }

  async update(session: Session, message: MessageOf<"update">, payload: IncomingPayload): Promise<void> {
    const { uploads, run } = this.#parts;
    const { worker } = session;
    const { round, attempt } = message;
    if (message.run !== run) {
      payload.discard();
      const verdict = { accepted: false, code: "run", text: `this is run ${run}, the update is of another` };
      this.#carryOut({ kind: "verdict", worker, round, attempt, verdict });
      return;
    }
    const broken = suspendedUpload(this.#state, worker);
    const upload = broken !== undefined && uploads.goesOn(broken, message) ? broken : uploads.announce(message);
    this.#verdicts.arriving(worker, message, payload.bytes);
    this.dispatch({ kind: "updateBegun", worker, upload, round, attempt });
    const limit = weightLimit(this.#state, worker, this.#parts.session.examples);
    let outcome = await uploads.read(upload, payload, limit);
    // Between the last byte and this turn of the event loop a round may have closed, and the upload been moved on.
    while (outcome.kind === "arrived" && !uploads.isWhole(upload)) outcome = await uploads.whole(upload);
    if (outcome.kind === "invalid") this.dispatch({ kind: "updateInvalid", worker, upload, reason: outcome.reason });
    if (outcome.kind === "broken") this.dispatch({ kind: "updateBroken", worker, upload });
    if (outcome.kind !== "arrived") return;
    const { weight, computeMs, metrics } = message;
    this.dispatch({ kind: "updateArrived", worker, upload, report: { weight, computeMs, loss: metrics["loss"] } });
    uploads.seal(upload);
  }

  counted(update: CountedUpdate): number | undefined {
    return this.#parts.committer.versionOf(update) ?? versionCounting(this.#state, update);
  }

  heldTransfer(session: Session): HeldTransfer | undefined {
    const upload = suspendedUpload(this.#state, session.worker);
    return upload === undefined ? undefined : this.#parts.uploads.suspended(upload);
  }

  newest(): Broadcast {
    return this.#parts.committer.broadcast;
  }

  evaluated(session: Session, { round, attempt, weight, metrics }: MessageOf<"evaluated">): void {
    this.dispatch({ kind: "evaluated", worker: session.worker, round, attempt, weight, metrics });
  }

  declined(session: Session, { round, attempt, code, reason }: MessageOf<"decline">): void {
    const { worker } = session;
    if (code !== "superseded") this.#parts.emit({ event: "refusedUpdate", worker, round, code, reason });
    this.dispatch({ kind: "declined", worker, round, attempt, reason: { code, text: reason } });
  }

  refused(session: Session, code: string, reason: string): void {
    this.#parts.emit({ event: "refusedWorker", remote: session.connection.remote, code, reason });
  }

  ended(session: Session, { goodbye, reason }: { readonly goodbye: boolean; readonly reason: string }): void {
    const { worker, identity } = session;
    if (!this.#attendance.end(session) || this.#over) return;
    this.#verdicts.gone(worker);
    this.dispatch({ kind: goodbye ? "left" : "disconnected", worker });
    const name = identity?.name ?? "";
    this.#parts.emit({ event: "workerLeft", worker, name, reason, workers: this.#workers });
  }

  /** The run cannot go on: everything is closed, and `finished` rejects. */
  failed(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#parts.session.log.error({ err: error }, "the run has failed");
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

  #carryOut(effect: RunEffect): void {
    const {
      uploads,
      session: { examples },
      emit,
    } = this.#parts;
    switch (effect.kind) {
      case "open":
        uploads.open(effect.contributions, largestWeight(this.#state), effect);
        break;
      case "sendWork":
        this.#sendWork(effect);
        break;
      case "sendPartition":
        this.#attendance.of(effect.worker)?.sendPartition(examples.partition(effect.index, effect.of));
        break;
      case "receive":
        uploads.receive(effect.upload, effect.discount);
        break;
      case "hold":
        uploads.hold(effect.upload);
        break;
      case "resume":
        break; // its reader goes on
      case "discard":
        uploads.discard(effect.upload);
        break;
      case "verdict":
        this.#verdicts.give(this.#attendance.of(effect.worker), effect);
        break;
      case "commit":
        this.#commit = this.#commitRound(effect);
        this.#commit.catch((error: unknown) => {
          this.failed(error);
        });
        break;
      case "evaluated":
      case "changed":
      case "paused":
        this.#parts.committer.note(effect);
        emit(announcementOf(effect));
        break;
      case "forget":
        this.#parts.session.identities.forget(effect.workers);
        break;
      case "unevaluated":
      case "reopened":
      case "gathering":
        emit(announcementOf(effect));
        break;
      case "wake":
        this.#alarm.set(effect.atMs);
        break;
      case "dismiss":
        this.#attendance.of(effect.worker)?.refuse(effect.reason.code, effect.reason.text);
        break;
      case "finish":
        void this.#finish(effect.reason, effect.detail).catch((error: unknown) => {
          this.#settled.reject(error);
        });
        break;
      default:
        effect satisfies never;
    }
  }

  #sendWork({ worker, round, attempt, version, order, deadlineMs }: Extract<RunEffect, { kind: "sendWork" }>): void {
    const { broadcast } = this.#parts.committer;
    const message = {
      kind: "work",
      run: this.#parts.run,
      round,
      attempt,
      version,
      versionHash: broadcast.hash,
      order,
      deadlineMs: Math.ceil(deadlineMs),
    } as const;
    this.#attendance.of(worker)?.sendWork(message, broadcast);
  }

  async #commitRound(effect: CommitEffect): Promise<void> {
    const { committer, session, emit } = this.#parts;
    const counted = countedUpdates(this.#state);
    const record = await committer.commit(
      effect,
      () => ({ ...this.#attendance.traffic.sinceLast(), ms: session.clock.now() - effect.openedMs, counted }),
      this.#attendance.sessions,
    );
    // With every worker in this process nothing else would let timers and sockets have their turn.
    await setImmediate();
    if (this.#isOver()) return;
    emit({
      event: "round",
      ...roundFigures(record, { totalRounds: totalRounds(this.#state.plan), workers: this.#workers }),
    });
    const { round, version } = record;
    this.#attendance.tell({ kind: "committed", round, version, metrics: record.metrics });
    this.#attendance.letGoOfIdle(version - committer.reach, (worker) => isBusy(this.#state, worker));
    const checkpointed = await committer.checkpoint("due");
    if (checkpointed !== undefined) emit({ event: "checkpoint", version: record.version, ...checkpointed });
    const metrics = effect.evaluate && !this.#isOver() ? await this.#evaluate() : undefined;
    this.dispatch({ kind: "committed", metrics });
  }

  /** A call, for the compiler takes a field to be what it was before an await. */
  #isOver(): boolean {
    return this.#over;
  }

  async #evaluate(): Promise<Readonly<Record<string, number>> | undefined> {
    const { committer, emit } = this.#parts;
    const { version, evaluated } = committer;
    const metrics = await committer.evaluate();
    if (metrics !== undefined && !evaluated) emit({ event: "evaluated", round: version, version, metrics });
    return metrics;
  }

  /** Evaluates and stores the last version, tells everyone, closes everything. */
  async #finish(reason: Exclude<FinishReason, "aborted">, detail: string): Promise<void> {
    const { committer, run } = this.#parts;
    try {
      this.#over = true;
      this.#alarm.cancel();
      await this.#evaluate();
      const checkpointed = await committer.checkpoint("always");
      const ended = reason === "stopped" || reason === "failed" ? reason : "finished";
      await committer.saveMeta({ status: ended, detail });
      this.#attendance.tell({ kind: "finished", run, reason: detail, metrics: committer.metrics });
      await this.#shutDown(reason === "stopped" ? 1001 : 1000, detail);
      this.#settle(reason, detail, checkpointed?.path);
    } catch (error) {
      this.#parts.session.log.error({ err: error }, "the run could not be ended in good order");
      await this.#shutDown(1011, "the coordinator has failed");
      throw error;
    }
  }

  #settle(reason: FinishReason, detail: string, path: string | undefined): void {
    const { committer, emit } = this.#parts;
    const { version, metrics, weights, traffic } = committer;
    const outcome = { reason, detail, metrics, rounds: version, version, path, traffic };
    this.#ended = outcome;
    emit({ event: "finished", ...outcome });
    this.#settled.resolve({ ...outcome, weights });
  }

  async #shutDown(code: number, reason: string): Promise<void> {
    this.#alarm.cancel();
    await this.#attendance.close(code, reason);
    await this.#closeServer();
    this.#parts.committer.giveUp();
    // A round under way finds its store open to the end.
    await this.#commit.catch(() => undefined);
    await this.#parts.committer.close();
  }
}
