/** Starting runs from outside: only of jobs that whoever started the host made known to it, for a job is code. */
import type { Coordinator } from "../coordinator.ts";
import type { Changes } from "../round/state.ts";

export interface LaunchOptions {
  /** Default: as whoever gave the jobs decides. */
  readonly expectedWorkers: number | undefined;
  readonly changes: Changes;
}

export interface Launch {
  /** Names of the jobs. */
  readonly jobs: () => readonly string[];
  /** Starts another run of one of them, on the same host. */
  readonly start: (job: string, options: LaunchOptions) => Promise<Coordinator>;
}
