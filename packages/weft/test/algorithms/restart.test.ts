/** What workers and coordinator keep from round to round, over a coordinator that is killed and comes back. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Coordinator, createCoordinator } from "@weft/coordinator";
import { adam, sgd } from "@weft/optim";
import { ConnectionError, memoryPair } from "@weft/transport";
import { defaultPolicy, startWorker } from "@weft/worker";
import { afterAll, expect, test } from "vitest";
import { fedDyn, federated, type LocalKnobs, scaffold } from "weft";
import { encodedJob, uniformData } from "./problem.ts";

const root = mkdtempSync(join(tmpdir(), "weft-restart-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const data = [0, 1, 2].map((place) => uniformData(place, 4 + 2 * place));
const rounds = 8;

/** Trains to the end, through coordinators that are killed once these many rounds were committed. */
async function trainThrough(job: Uint8Array, kills: readonly number[]): Promise<number[]> {
  const directory = mkdtempSync(join(root, "run-"));
  let coordinator: Coordinator | undefined;
  const workers = data.map((dataset, i) =>
    startWorker({
      connect: () => {
        if (!coordinator) return Promise.reject(new ConnectionError("unreachable", "nobody is there"));
        const pair = memoryPair();
        coordinator.attach(pair.coordinator);
        return Promise.resolve(pair.worker);
      },
      name: `worker ${i}`,
      device: "test",
      threads: 1,
      policy: defaultPolicy,
      data: () => Promise.resolve(dataset),
      // Comes back at once.
      random: () => 0,
    }),
  );
  let resume: string | undefined;
  for (const kill of [...kills, Infinity]) {
    const next: Coordinator = await createCoordinator({
      ...(resume === undefined ? { job } : {}),
      store: { directory, resume, checkpoint: { everyRounds: 3 } },
      run: { expectedWorkers: data.length },
    });
    const killed = Promise.withResolvers<undefined>();
    next.on((event) => {
      if (event.event === "round" && event.round >= kill) killed.resolve(undefined);
    });
    coordinator = next;
    const outcome = await Promise.race([killed.promise, next.finished]);
    if (outcome !== undefined) {
      await Promise.all(workers.map((worker) => worker.outcome));
      return [...outcome.weights];
    }
    coordinator = undefined;
    resume = next.run;
    await next.abort();
  }
  throw new Error("the last coordinator runs to the end");
}

const optimizer = sgd({ learningRate: 0.05 });
const local = { epochs: 2, batchSize: 4, optimizer };

test.each<[string, LocalKnobs]>([
  ["control variates of SCAFFOLD", { ...local, correction: scaffold() }],
  ["memories of FedDyn", { ...local, correction: fedDyn({ alpha: 0.1 }) }],
  ["optimisers that go on", { ...local, optimizer: adam({ learningRate: 0.1 }), keepOptimizer: true }],
])("%s are those of an undisturbed run, bit for bit", async (_, knobs) => {
  const job = encodedJob({ round: federated({ local: knobs, server: sgd({ learningRate: 1 }) }), rounds });
  const [calm, disturbed] = [await trainThrough(job, []), await trainThrough(job, [2, 3, 6])];
  expect(disturbed).toEqual(calm);
});
