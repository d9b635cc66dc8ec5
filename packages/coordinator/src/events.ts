/** What a coordinator tells whoever watches it: one plain object per happening, named by `event`. */
import type { ShortCause } from "./round/runEvent.ts";
import type { Changes } from "./round/state.ts";

/** Bytes of one kind of message, in one codec where it names one; "link" is what keeps connections going. */
export interface KindTraffic {
  readonly kind: string;
  readonly codec: string;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** The figures of one committed round. */
export interface RoundFigures {
  /** Counts from 1; committing round r makes version r. */
  readonly round: number;
  readonly version: number;
  /** Rounds the run will take, where the stop rule fixes them. */
  readonly totalRounds: number | undefined;
  /** Mean over the round's examples; NaN when workers reported none. */
  readonly loss: number;
  /** Means over the round's examples, `loss` left out. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Examples the applied updates stand for. */
  readonly examples: number;
  readonly examplesPerSecond: number;
  /** Updates applied, of `cohort` workers invited. */
  readonly updates: number;
  readonly cohort: number;
  /** Workers connected and ready. */
  readonly workers: number;
  /** Bytes received from and sent to workers since the round before. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** The same by kind of message and codec, the most first; the round's record has it by worker too. */
  readonly traffic: readonly KindTraffic[];
  /** From opening the round to having it committed. */
  readonly ms: number;
}

/** Why a run ended. `patience`: its metric got no better; `stopped` and `aborted` come from the operator; `failed`: no worker could bring a valid update. */
export type FinishReason = "rounds" | "epochs" | "target" | "patience" | "stopped" | "aborted" | "failed";

export type CoordinatorEvent =
  | { readonly event: "listening"; readonly url: string; readonly run: string }
  /** A stored run goes on: `version` was restored from `checkpoint` by replaying the log; `warnings` name what was damaged. */
  | {
      readonly event: "recovered";
      readonly run: string;
      readonly version: number;
      readonly checkpoint: number;
      readonly warnings: readonly string[];
    }
  | {
      readonly event: "workerJoined";
      readonly worker: string;
      readonly name: string;
      readonly device: string;
      /** The same worker with its resume token again. */
      readonly resumed: boolean;
      readonly workers: number;
    }
  /** Many workers came together, of whom no more is said. */
  | {
      readonly event: "crowdJoined";
      readonly crowd: string;
      readonly device: string;
      readonly came: number;
      readonly workers: number;
    }
  | {
      readonly event: "workerLeft";
      readonly worker: string;
      readonly name: string;
      readonly reason: string;
      readonly workers: number;
    }
  | { readonly event: "refusedWorker"; readonly remote: string; readonly code: string; readonly reason: string }
  /** Waiting for workers before a round opens. */
  | { readonly event: "gathering"; readonly workers: number; readonly expected: number }
  | ({ readonly event: "round" } & RoundFigures)
  /** An attempt ended with no update; the round is opened again. */
  | { readonly event: "reopened"; readonly round: number; readonly attempt: number; readonly reason: string }
  /**
   * The round closes with fewer updates than its quorum asks for (a buffered pace: its `size`): the cohort was smaller than that, members
   * have gone, its deadline was over, or its sums had no room for the weight of a worker that came.
   */
  | {
      readonly event: "closedShort";
      readonly round: number;
      readonly attempt: number;
      readonly updates: number;
      readonly asked: number;
      readonly cause: ShortCause;
      readonly reason: string;
    }
  | {
      readonly event: "refusedUpdate";
      readonly worker: string;
      readonly round: number;
      readonly code: string;
      readonly reason: string;
    }
  /** A write failed for want of room, or of leave to write; rounds wait while it is tried again. */
  | { readonly event: "waitingForDisk"; readonly reason: string; readonly retryInMs: number }
  /** What waited is written. */
  | { readonly event: "diskIsBack"; readonly waitedMs: number }
  /** A version could not be written whole for such a reason; the log holds its round, and a later version will be. */
  | { readonly event: "checkpointPostponed"; readonly version: number; readonly reason: string }
  | { readonly event: "checkpoint"; readonly version: number; readonly path: string; readonly ms: number }
  | {
      readonly event: "evaluated";
      readonly round: number;
      readonly version: number;
      readonly metrics: Readonly<Record<string, number>>;
      /** What all rounds have moved so far, those before a restart included. */
      readonly bytesUp: number;
      readonly bytesDown: number;
      /** Where workers measured it on examples they hold out: how many of each. */
      readonly workers?: number;
      readonly examples?: number;
    }
  /** Workers were asked to measure a version, and none has. */
  | { readonly event: "unevaluated"; readonly round: number; readonly reason: string }
  /** An operator lets no further round open, or lets them open again. */
  | { readonly event: "paused" | "unpaused" }
  /** An operator has changed rules of the run: all changes in force. */
  | { readonly event: "changed"; readonly changes: Changes }
  | {
      readonly event: "finished";
      readonly reason: FinishReason;
      /** The reason in a sentence. */
      readonly detail: string;
      readonly metrics: Readonly<Record<string, number>>;
      readonly rounds: number;
      readonly version: number;
      readonly path: string | undefined;
      /** Bytes of all rounds by kind of message and codec, restarts included, the most first. */
      readonly traffic: readonly KindTraffic[];
    };

export type CoordinatorListener = (event: CoordinatorEvent) => void;
