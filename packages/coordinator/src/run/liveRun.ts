/** What a run is made of, and what those who act for it while it goes on see of it. */
import type { CoordinatorEvent, FinishReason } from "../events.ts";
import type { Decide } from "../options.ts";
import type { Happening } from "../round/runEvent.ts";
import type { RunState } from "../round/state.ts";
import type { SessionContext } from "../session/session.ts";
import type { Uploads } from "../uploads/uploads.ts";
import type { Attendance } from "./attendance.ts";
import type { Committer } from "./committer.ts";
import type { Verdicts } from "./verdicts.ts";

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

export interface LiveRun {
  readonly parts: Omit<RunParts, "state" | "decide">;
  readonly attendance: Attendance;
  readonly verdicts: Verdicts;
  /** Where the round machine stands. */
  readonly state: RunState;
  /** Workers connected and ready. */
  readonly workers: number;
  /** Whether no event is handled any more; a call, for the compiler takes a field to be what it was before an await. */
  isOver(): boolean;
  /** Handles an event, and those that follow from it, before it returns (or its caller does, when called from within). */
  dispatch(happening: Happening): void;
  /** Sends a `tick` at this time, in place of the one before. */
  wakeAt(atMs: number | undefined): void;
  finish(reason: Exclude<FinishReason, "aborted">, detail: string): void;
  /** The run cannot go on. */
  failed(error: unknown): void;
}
