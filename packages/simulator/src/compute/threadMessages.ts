/**
 * What goes between the thread of a simulation and those that train for it. Versions and data lie in memory that all share; the
 * memory of updates goes to and fro, since memory that is shared is copied at half the speed.
 */
import type { Dataset } from "@weft/data";
import type { UpdateFigures } from "@weft/protocol";
import type { StateVectors, TrainingOrder } from "@weft/worker";

export type ToThread =
  /** A job, and the sets it trains and is measured on; takes the place of the one before. */
  | { readonly kind: "job"; readonly job: Uint8Array; readonly train: Dataset; readonly test: Dataset | undefined }
  /** A version, by the number that tasks name it by. */
  | { readonly kind: "base"; readonly base: number; readonly values: Float32Array }
  | ({ readonly task: number; readonly base: number } & (
      | {
          readonly kind: "train";
          readonly order: TrainingOrder;
          readonly round: number;
          readonly rows: Uint32Array;
          readonly state: StateVectors;
          /** Memory for the update; comes back with the answer. */
          readonly room: ArrayBuffer;
        }
      | {
          readonly kind: "measure";
          readonly set: "train" | "test";
          readonly rows: Uint32Array;
          readonly state: StateVectors;
        }
    ));

export type FromThread =
  | { readonly kind: "ready" }
  | ({ readonly task: number } & (
      | {
          readonly kind: "update";
          /** What of its room each part takes, one after the other. */
          readonly lengths: readonly number[];
          readonly room: ArrayBuffer;
          readonly weight: number;
          readonly metrics: Readonly<Record<string, number>>;
          readonly figures: UpdateFigures | undefined;
          readonly kept: StateVectors;
        }
      | { readonly kind: "declined"; readonly code: string; readonly reason: string; readonly room: ArrayBuffer }
      | { readonly kind: "means"; readonly means: Readonly<Record<string, number>> }
    ))
  /** It cannot go on. */
  | { readonly kind: "failed"; readonly error: unknown };
