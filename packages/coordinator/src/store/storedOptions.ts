/** What a run was started with besides its job, and how whoever resumes it comes by the same. */
import type { CoordinatorOptions } from "../options.ts";
import type { StoredOptions } from "./records.ts";

/** What is to be kept of the options. */
export function optionsToStore({ run = {}, store }: CoordinatorOptions): StoredOptions {
  const { expectedWorkers, gatherMs } = run;
  return { expectedWorkers, gatherMs, durability: store?.durability, checkpoint: store?.checkpoint };
}

/** The options, completed by those stored where they do not say otherwise. */
export function withStored(options: CoordinatorOptions, stored: StoredOptions): CoordinatorOptions {
  const { run = {}, store } = options;
  const { expectedWorkers, gatherMs, durability, checkpoint } = stored;
  return {
    ...options,
    run: {
      ...run,
      expectedWorkers: run.expectedWorkers ?? expectedWorkers,
      gatherMs: run.gatherMs ?? gatherMs,
    },
    store: store && {
      ...store,
      durability: store.durability ?? durability,
      checkpoint: { ...checkpoint, ...store.checkpoint },
    },
  };
}
