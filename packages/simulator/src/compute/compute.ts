/** Who does the arithmetic of simulated workers: this thread (`computeHere.ts`) or several (`trainerThreads.ts`), to the same bits. */
import type { UpdateFigures } from "@weft/protocol";
import type { StateVectors, TrainingOrder } from "@weft/worker";

/** An order, with all that its worker has for it. */
export interface TrainingTask {
  /** The version as it travelled; must not change any more. */
  readonly base: Float32Array;
  readonly order: TrainingOrder;
  /** That the order is of. */
  readonly round: number;
  /** The worker's share of the training set, as far as it trains on it. */
  readonly rows: Uint32Array;
  /** What the worker kept of earlier rounds. */
  readonly state: StateVectors;
}

/** An update as it goes out. */
export interface ComputedUpdate {
  readonly kind: "update";
  readonly payload: readonly Uint8Array[];
  readonly weight: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly figures: UpdateFigures | undefined;
  /** To be staged. */
  readonly kept: StateVectors;
}

/** A worker that cannot carry out its order. */
export interface Declined {
  readonly kind: "declined";
  readonly code: string;
  readonly reason: string;
}

export type TrainingAnswer = ComputedUpdate | Declined;

export interface Compute {
  /** How many tasks it has use for at a time. */
  readonly atOnce: number;
  /** The payload of an update may lie in memory that serves others later: tell `done` when nobody reads it any more. */
  train(task: TrainingTask): Promise<TrainingAnswer>;
  done(answer: TrainingAnswer): void;
  /** Means over some of the training set, for a worker that measures a version on what it holds out. */
  measure(task: Pick<TrainingTask, "base" | "rows" | "state">): Promise<Readonly<Record<string, number>>>;
  /** Means over the test set; undefined where nobody but a worker can measure a version. */
  readonly evaluate: ((weights: Float32Array) => Promise<Readonly<Record<string, number>>>) | undefined;
  /** Ends what it started; what is under way is given up. */
  close(): Promise<void>;
}
