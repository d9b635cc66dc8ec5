/** How a run ended. */
import type { FinishReason, KindTraffic } from "./events.ts";

export interface Outcome {
  readonly reason: FinishReason;
  /** The reason in a sentence. */
  readonly detail: string;
  /** Of the last version: the evaluation's, or the last round's training means where there is none. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Rounds committed over the whole run, restarts included. */
  readonly rounds: number;
  readonly version: number;
  /** The flat vector of the last version. */
  readonly weights: Float32Array;
  /** Its safetensors file, where the run is stored. */
  readonly path: string | undefined;
  /** Bytes of all rounds by kind of message and codec, restarts included, the most first. */
  readonly traffic: readonly KindTraffic[];
}
