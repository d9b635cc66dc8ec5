/** A coordinator of one run, with a port of its own where it is to listen. */
import type { Coordinator } from "./coordinator.ts";
import { createHost } from "./host/host.ts";
import type { CoordinatorOptions } from "./options.ts";
import { startRun } from "./startRun.ts";

/**
 * Starts a run, or goes on with a stored one. The port is let go of when the run has ended.
 *
 * @throws {CoordinatorOptionsError} when the job asks for what is not supported, or the examples are not the job's
 * @throws {ListenError} when the address cannot, or must not, be listened on
 * @throws {RunError | StoreError} when a stored run is not there, in use, or damaged
 */
export async function createCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { listen, ...run } = options;
  if (listen === undefined) return (await startRun(run)).coordinator;
  const host = await createHost({ listen, clock: run.run?.clock, log: run.log, closesWithRuns: true });
  try {
    return await host.add(run);
  } catch (error) {
    await host.close();
    throw error;
  }
}
