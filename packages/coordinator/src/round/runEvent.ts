/** What can happen to a run, and what it asks for in answer. Time comes in with every event. */
import type { WorkOrder } from "@weft/protocol";
import type { DurableProgress } from "./durable.ts";
import type { Report } from "./record.ts";
import type { Answer, Changes, StopReason } from "./state.ts";

export type RunEvent = { readonly nowMs: number } & (
  | {
      /** The worker is ready for work: for the first time, or again after a lost connection. */
      readonly kind: "joined";
      readonly worker: string;
      /** Slot it held before, where known. */
      readonly slot?: number | undefined;
      readonly ownExamples?: number | undefined;
      readonly position?: number | undefined;
    }
  /** Workers that nobody has heard of before are ready together. */
  | { readonly kind: "crowdJoined"; readonly workers: readonly string[] }
  /** It said goodbye, or was sent away. */
  | { readonly kind: "left"; readonly worker: string }
  /** Its connection ended without a word; it may come back. */
  | { readonly kind: "disconnected"; readonly worker: string }
  | {
      readonly kind: "updateBegun";
      readonly worker: string;
      /** Names this transfer; that of the worker's suspended upload when it goes on where it broke, otherwise a new one. */
      readonly upload: number;
      readonly round: number;
      readonly attempt: number;
    }
  /** It is there to the last byte, valid, and in the sums. */
  | {
      readonly kind: "updateArrived";
      readonly worker: string;
      readonly upload: number;
      readonly report?: Report | undefined;
    }
  | { readonly kind: "updateInvalid"; readonly worker: string; readonly upload: number; readonly reason: Reason }
  /** The connection ended under it; the worker may go on with it. */
  | { readonly kind: "updateBroken"; readonly worker: string; readonly upload: number }
  | {
      readonly kind: "declined";
      readonly worker: string;
      readonly round: number;
      readonly attempt: number;
      readonly reason: Reason;
    }
  /** The answer to an order to evaluate. */
  | ({ readonly kind: "evaluated"; readonly worker: string; readonly round: number; readonly attempt: number } & Answer)
  | { readonly kind: "tick" }
  /** The round that a `commit` effect asked for is durable; `metrics` where it asked for an evaluation. */
  | { readonly kind: "committed"; readonly metrics?: Readonly<Record<string, number>> | undefined }
  | { readonly kind: "stop"; readonly detail: string }
  | { readonly kind: "pause" }
  | { readonly kind: "unpause" }
  /** An operator's change of rules, from now on. */
  | { readonly kind: "change"; readonly changes: Changes }
);

/** An event without the time, which is added when it is handled. */
export type Happening = RunEvent extends infer E ? (E extends RunEvent ? Omit<E, "nowMs"> : never) : never;

export interface Reason {
  readonly code: string;
  readonly text: string;
}

export interface Verdict extends Reason {
  readonly accepted: boolean;
  /** Of an accepted update: the version it goes into. */
  readonly version?: number;
}

/** Why a round closes with fewer updates than its quorum asks for. */
export type ShortCause = "cohort" | "departures" | "deadline" | "weight";

export type RunEffect =
  | {
      /** Clear the sums for a new attempt with room for `contributions` updates. */
      readonly kind: "open";
      readonly round: number;
      readonly attempt: number;
      readonly contributions: number;
      /** Whether some of them may weigh less than a fresh one. */
      readonly discounts: boolean;
    }
  | {
      readonly kind: "sendWork";
      readonly worker: string;
      readonly round: number;
      readonly attempt: number;
      readonly version: number;
      readonly order: WorkOrder;
      readonly deadlineMs: number;
    }
  | { readonly kind: "sendPartition"; readonly worker: string; readonly index: number; readonly of: number }
  /** Fold the upload in: what is kept of it already, the rest as it arrives. `discount` is its weight beside a fresh one's. */
  | { readonly kind: "receive"; readonly upload: number; readonly order: WorkOrder; readonly discount: number }
  /** Keep the upload as it arrives; what was folded in of it is taken out of the sums. */
  | { readonly kind: "hold"; readonly upload: number; readonly order: WorkOrder }
  /** The rest of an upload that had broken is arriving: fold on. */
  | { readonly kind: "resume"; readonly upload: number }
  /** Take out what was folded in, let the rest go by. */
  | { readonly kind: "discard"; readonly upload: number }
  | {
      readonly kind: "verdict";
      readonly worker: string;
      readonly round: number;
      readonly attempt: number;
      readonly verdict: Verdict;
    }
  | {
      /** Combine, step the model, make both durable; then `committed`. */
      readonly kind: "commit";
      readonly round: number;
      readonly attempt: number;
      readonly openedMs: number;
      readonly cohort: readonly string[];
      readonly uploads: readonly number[];
      readonly progress: DurableProgress;
      readonly evaluate: boolean;
      /** Of the server's optimiser, where an operator has set another than the job's. */
      readonly learningRate: number | undefined;
    }
  /** Workers have measured a version: means over their held-out examples. */
  | {
      readonly kind: "evaluated";
      readonly version: number;
      readonly metrics: Readonly<Record<string, number>>;
      readonly workers: number;
      readonly examples: number;
    }
  /** They were asked to, and none has answered. */
  | { readonly kind: "unevaluated"; readonly version: number; readonly reason: string }
  /** Forget these workers' identities. */
  | { readonly kind: "forget"; readonly workers: readonly string[] }
  | { readonly kind: "changed"; readonly changes: Changes }
  | { readonly kind: "paused"; readonly paused: boolean }
  | { readonly kind: "reopened"; readonly round: number; readonly attempt: number; readonly reason: string }
  /** The round that is committed next has fewer updates than its quorum (or buffer) asks for. */
  | {
      readonly kind: "closedShort";
      readonly round: number;
      readonly attempt: number;
      readonly updates: number;
      readonly asked: number;
      readonly cause: ShortCause;
      readonly reason: string;
    }
  | { readonly kind: "gathering"; readonly workers: number; readonly expected: number }
  /** Send a `tick` at this time; replaces the one before. */
  | { readonly kind: "wake"; readonly atMs: number | undefined }
  | { readonly kind: "dismiss"; readonly worker: string; readonly reason: Reason }
  | { readonly kind: "finish"; readonly reason: StopReason; readonly detail: string };
