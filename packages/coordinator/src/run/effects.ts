/** Carries out what the round machine asks for: messages to workers, sums, commits, what is told to those who watch. */
import { largestWeight } from "../round/orders.ts";
import type { RunEffect } from "../round/runEvent.ts";
import { announcementOf } from "./announcement.ts";
import { commitRound } from "./commitRound.ts";
import type { LiveRun } from "./liveRun.ts";

export class Effects {
  readonly #live: LiveRun;
  #commit: Promise<void> = Promise.resolve();

  constructor(live: LiveRun) {
    this.#live = live;
  }

  /** Settles when no round is being committed. */
  get committed(): Promise<void> {
    return this.#commit.catch(() => undefined);
  }

  carryOut(effect: RunEffect): void {
    const { parts, attendance, verdicts, state } = this.#live;
    const { uploads, committer, emit, session } = parts;
    switch (effect.kind) {
      case "open":
        uploads.open(effect.contributions, largestWeight(state), effect);
        break;
      case "sendWork":
        this.#sendWork(effect);
        break;
      case "sendPartition":
        attendance.of(effect.worker)?.sendPartition(session.examples.partition(effect.index, effect.of));
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
        verdicts.give(attendance.of(effect.worker), effect);
        break;
      case "commit":
        this.#commit = commitRound(this.#live, effect);
        this.#commit.catch((error: unknown) => {
          this.#live.failed(error);
        });
        break;
      case "evaluated":
        committer.note(effect);
        emit(announcementOf(effect, committer.moved));
        break;
      case "forget":
        session.identities.forget(effect.workers);
        break;
      case "changed":
      case "paused":
      case "unevaluated":
      case "reopened":
      case "closedShort":
      case "gathering":
        emit(announcementOf(effect, committer.moved));
        break;
      case "wake":
        this.#live.wakeAt(effect.atMs);
        break;
      case "dismiss":
        attendance.of(effect.worker)?.refuse(effect.reason.code, effect.reason.text);
        break;
      case "finish":
        this.#live.finish(effect.reason, effect.detail);
        break;
      default:
        effect satisfies never;
    }
  }

  #sendWork({ worker, round, attempt, version, order, deadlineMs }: Extract<RunEffect, { kind: "sendWork" }>): void {
    const { attendance, parts } = this.#live;
    const { broadcast } = parts.committer;
    // Of an older version: the rest of an update that was on its way is wanted.
    const versionHash = parts.committer.hashOf(version) ?? broadcast.hash;
    const message = {
      kind: "work",
      run: parts.run,
      round,
      attempt,
      version,
      versionHash,
      order,
      deadlineMs: Math.ceil(deadlineMs),
    } as const;
    attendance.of(worker)?.sendWork(message, broadcast);
  }
}
