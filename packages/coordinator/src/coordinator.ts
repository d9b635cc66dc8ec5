/** The coordinator of one run, for whoever started it, steers it or watches it. */
import type { Connection } from "@weft/transport";
import type { CoordinatorListener } from "./events.ts";
import type { Outcome } from "./outcome.ts";
import type { Changes } from "./round/state.ts";
import type { AttachedCrowd, CrowdEntrance } from "./run/crowd.ts";
import type { RunReport } from "./run/report.ts";

export interface Coordinator {
  /** ws://host:port or wss://host:port, undefined when it does not listen. */
  readonly url: string | undefined;
  readonly run: string;
  /** The job's name. */
  readonly name: string;
  /** The run's directory, where it is stored. */
  readonly directory: string | undefined;
  /** Called for every event from now on, in order; "listening" and "recovered" are given to each listener first. The result unsubscribes. */
  on(listener: CoordinatorListener): () => void;
  /** Takes a worker's connection that came another way, such as one half of a memory pair. */
  attach(connection: Connection): void;
  /** Takes many workers at once, which have connections only while there is something to say to them. */
  attachCrowd(entrance: CrowdEntrance, size: number): AttachedCrowd;
  /** Where the run stands. */
  report(): RunReport;
  /**
   * Opens no further round until `unpause`. What these two and `change` have done when they return holds over a kill; what cannot be
   * written is refused, and nothing has changed.
   *
   * @throws {StoreError} while the disk takes no writes, {@link RunError} when the run has ended
   */
  pause(): void;
  unpause(): void;
  /**
   * Changes rules of the run from its next version on (a deadline from the next round, a quorum at once); what is not named
   * stays. Kept with the run, so that a coordinator that resumes it goes on under them.
   *
   * @throws {StoreError | RunError} as `pause`
   * @throws {CoordinatorOptionsError} for a value that makes no sense, or a rule that this run does not have
   */
  change(changes: Changes): void;
  /**
   * Resolves when the run has ended (by its stop rule, `stop` or `abort`) and everything is closed. Rejects with a
   * WeftError when the run cannot go on, such as on a full disk.
   */
  readonly finished: Promise<Outcome>;
  /** Ends after the round being committed, writes a checkpoint (for which it waits where the disk is full), tells the workers, closes. */
  stop(reason: string): Promise<Outcome>;
  /** Closes at once as a killed process would: nothing more is written. */
  abort(): Promise<void>;
}
