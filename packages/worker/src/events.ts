/** What a worker tells whoever shows it, and how it ended. */

export type WorkerEvent =
  | { readonly event: "connected"; readonly url: string; readonly worker: string; readonly run: string }
  | { readonly event: "prepared"; readonly job: string; readonly parameters: number; readonly ownExamples?: number }
  /** So much of a large payload has come, or gone: a version of the model, or an update. */
  | {
      readonly event: "transfer";
      readonly direction: "down" | "up";
      readonly bytes: number;
      readonly total: number;
    }
  | {
      /** One order was carried out and its update sent. `loss` is the mean over its examples. */
      readonly event: "update";
      readonly round: number;
      readonly loss: number;
      readonly examples: number;
      readonly computeMs: number;
    }
  /** A version was measured on held-out examples; `loss` is the mean over them. */
  | { readonly event: "evaluated"; readonly round: number; readonly loss: number; readonly examples: number }
  | { readonly event: "verdict"; readonly round: number; readonly accepted: boolean; readonly reason: string }
  | { readonly event: "declined"; readonly round: number; readonly code: string; readonly reason: string }
  | {
      readonly event: "committed";
      readonly round: number;
      readonly version: number;
      readonly metrics: Readonly<Record<string, number>>;
    }
  /** A run has ended, and the worker stays for the next. */
  | {
      readonly event: "finished";
      readonly run: string;
      readonly reason: string;
      readonly metrics: Readonly<Record<string, number>>;
    }
  /** What outlives this process could not be read or written; the worker goes on without. */
  | { readonly event: "stateProblem"; readonly reason: string }
  | { readonly event: "disconnected"; readonly reason: string; readonly retryInMs: number }
  | { readonly event: "ended"; readonly outcome: WorkerOutcome };

export type WorkerOutcome =
  | { readonly kind: "finished"; readonly reason: string; readonly metrics: Readonly<Record<string, number>> }
  /** The coordinator turned this worker away for good, or the worker refused the job. */
  | { readonly kind: "refused"; readonly code: string; readonly reason: string }
  /** The coordinator could not be reached for as long as the worker was told to try. */
  | { readonly kind: "unreachable"; readonly reason: string }
  | { readonly kind: "stopped"; readonly reason: string };
