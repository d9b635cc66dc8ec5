/** The coordinator: takes a job, gathers workers, runs its rounds to the end, and keeps what they made. */
import type { Connection } from "@weft/transport";
import type { CoordinatorListener, FinishReason } from "./events.ts";

/** How a run ended. */
export interface Outcome {
  readonly reason: FinishReason;
  /** Of the last version: the evaluation's, or the last round's training means where there is none. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Rounds committed over the whole run, restarts included. */
  readonly rounds: number;
  readonly version: number;
  /** The flat vector of the last version. */
  readonly weights: Float32Array;
  /** Its safetensors file, where the run is stored. */
  readonly path: string | undefined;
}

export interface Coordinator {
  /** ws://host:port, undefined when it does not listen. */
  readonly url: string | undefined;
  readonly run: string;
  /** The run's directory, where it is stored. */
  readonly directory: string | undefined;
  /** Called for every event from now on, in order; "listening" and "recovered" are given to each listener first. The result unsubscribes. */
  on(listener: CoordinatorListener): () => void;
  /** Takes a worker's connection that came another way, such as one half of a memory pair. */
  attach(connection: Connection): void;
  /**
   * Resolves when the run has ended (by its stop rule, `stop` or `abort`) and everything is closed. Rejects with a
   * WeftError when the run cannot go on, such as on a full disk.
   */
  readonly finished: Promise<Outcome>;
  /** Ends after the round being committed, writes a checkpoint, tells the workers, closes. */
  stop(reason: string): Promise<Outcome>;
  /** Closes at once as a killed process would: nothing more is written. */
  abort(): Promise<void>;
}
