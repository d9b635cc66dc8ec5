/** What sessions tell of their workers becomes events of the run; what they ask is answered from its state. */
import type { MessageOf } from "@weft/protocol";
import type { IncomingPayload } from "@weft/transport";
import { suspendedUpload, versionCounting } from "../round/updates.ts";
import type { Broadcast } from "../versions/broadcast.ts";
import type { HeldTransfer, Session, SessionHost } from "../session/session.ts";
import type { CountedUpdate } from "../store/records.ts";
import type { LiveRun } from "./liveRun.ts";
import { weightLimit } from "./weights.ts";

export class SessionEvents implements SessionHost {
  readonly #live: LiveRun;

  constructor(live: LiveRun) {
    this.#live = live;
  }

  welcomed(session: Session): void {
    const found = this.#live.attendance.name(session);
    if (found?.hadJoined === true) this.#live.dispatch({ kind: "disconnected", worker: session.worker });
    found?.before.close(1008, "the same worker has connected again");
  }

  ready(session: Session): void {
    const live = this.#live;
    const { identity, worker, device, ownExamples } = session;
    if (identity === undefined || live.isOver()) return;
    live.attendance.join(session);
    live.dispatch({ kind: "joined", worker, slot: identity.slot, ownExamples });
    const slot = live.state.workers.get(worker)?.slot;
    if (slot !== undefined) live.parts.session.identities.save(identity, slot);
    const { name, known: resumed } = identity;
    live.parts.emit({ event: "workerJoined", worker, name, device, resumed, workers: live.workers });
  }

  async update(session: Session, message: MessageOf<"update">, payload: IncomingPayload): Promise<void> {
    const live = this.#live;
    const { uploads, run, session: context } = live.parts;
    const { worker } = session;
    const { round, attempt } = message;
    if (message.run !== run) {
      payload.discard();
      const verdict = { accepted: false, code: "run", text: `this is run ${run}, the update is of another` };
      live.verdicts.give(live.attendance.of(worker), { worker, round, attempt, verdict });
      return;
    }
    const broken = suspendedUpload(live.state, worker);
    const upload = broken !== undefined && uploads.goesOn(broken, message) ? broken : uploads.announce(message);
    live.verdicts.arriving(worker, message, payload.bytes);
    live.dispatch({ kind: "updateBegun", worker, upload, round, attempt });
    let outcome = await uploads.read(upload, payload, weightLimit(live.state, worker, context.examples));
    // Between the last byte and this turn of the event loop a round may have closed, and the upload been moved on.
    while (outcome.kind === "arrived" && !uploads.isWhole(upload)) outcome = await uploads.whole(upload);
    if (outcome.kind === "invalid") live.dispatch({ kind: "updateInvalid", worker, upload, reason: outcome.reason });
    if (outcome.kind === "broken") live.dispatch({ kind: "updateBroken", worker, upload });
    if (outcome.kind !== "arrived") return;
    const { weight, computeMs, metrics } = message;
    live.dispatch({ kind: "updateArrived", worker, upload, report: { weight, computeMs, loss: metrics["loss"] } });
    uploads.seal(upload);
  }

  counted(update: CountedUpdate): number | undefined {
    return this.#live.parts.committer.versionOf(update) ?? versionCounting(this.#live.state, update);
  }

  heldTransfer(session: Session): HeldTransfer | undefined {
    const upload = suspendedUpload(this.#live.state, session.worker);
    return upload === undefined ? undefined : this.#live.parts.uploads.suspended(upload);
  }

  newest(): Broadcast {
    return this.#live.parts.committer.broadcast;
  }

  evaluated(session: Session, { round, attempt, weight, metrics }: MessageOf<"evaluated">): void {
    this.#live.dispatch({ kind: "evaluated", worker: session.worker, round, attempt, weight, metrics });
  }

  declined(session: Session, { round, attempt, code, reason }: MessageOf<"decline">): void {
    const { worker } = session;
    if (code !== "superseded") this.#live.parts.emit({ event: "refusedUpdate", worker, round, code, reason });
    this.#live.dispatch({ kind: "declined", worker, round, attempt, reason: { code, text: reason } });
  }

  refused(session: Session, code: string, reason: string): void {
    this.#live.parts.emit({ event: "refusedWorker", remote: session.connection.remote, code, reason });
  }

  ended(session: Session, { goodbye, reason }: { readonly goodbye: boolean; readonly reason: string }): void {
    const live = this.#live;
    const { worker, identity } = session;
    if (!live.attendance.end(session) || live.isOver()) return;
    live.verdicts.gone(worker);
    live.dispatch({ kind: goodbye ? "left" : "disconnected", worker });
    live.parts.emit({ event: "workerLeft", worker, name: identity?.name ?? "", reason, workers: live.workers });
  }

  closed(session: Session): void {
    this.#live.attendance.closed(session);
  }

  failed(error: unknown): void {
    this.#live.failed(error);
  }
}
