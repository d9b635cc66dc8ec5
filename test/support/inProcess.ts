/** A whole run in one process, for tests and benches: a coordinator and workers joined by in-memory connections. */
import type { CoordinatorEvent, CoordinatorOptions, Outcome } from "@weft/coordinator";
import { createCoordinator } from "@weft/coordinator";
import type { Dataset } from "@weft/data";
import { selectRows } from "@weft/data";
import { memoryPair } from "@weft/transport";
import type { WorkerOptions } from "@weft/worker";
import { defaultPolicy, startWorker } from "@weft/worker";

export interface InProcessRun {
  readonly job: Uint8Array;
  readonly train: Dataset;
  readonly workers: number;
  /** Of each worker, by its place. */
  readonly worker?: Partial<WorkerOptions> | ((place: number) => Partial<WorkerOptions>);
  readonly coordinator?: Partial<CoordinatorOptions>;
  readonly onEvent?: (event: CoordinatorEvent) => void;
}

export async function runInProcess({
  job,
  train,
  workers,
  worker,
  coordinator: extra,
  onEvent,
}: InProcessRun): Promise<Outcome> {
  const coordinator = await createCoordinator({
    job,
    examples: { size: train.size, rows: (indices) => selectRows(train, indices) },
    run: { expectedWorkers: workers },
    ...extra,
  });
  if (onEvent) coordinator.on(onEvent);
  const handles = Array.from({ length: workers }, (_, i) =>
    startWorker({
      connect: () => {
        const pair = memoryPair();
        coordinator.attach(pair.coordinator);
        return Promise.resolve(pair.worker);
      },
      name: `worker ${i}`,
      device: "test",
      threads: 1,
      policy: defaultPolicy,
      unreachableMs: 0,
      ...(typeof worker === "function" ? worker(i) : worker),
    }),
  );
  const outcome = await coordinator.finished;
  await Promise.all(handles.map((handle) => handle.outcome));
  return outcome;
}
