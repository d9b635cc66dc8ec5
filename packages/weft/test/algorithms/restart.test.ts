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

const goesOn = { steps: 2, batchSize: 4, optimizer: adam({ learningRate: 0.1 }), keepOptimizer: true };
const streams: LocalKnobs = { ...goesOn, streaming: { fragments: 2, mixing: 0.25 } };

/** The finished run, in which the first worker's process ends after each of these rounds; another goes on from what it had stored. */
async function trainWithLives(job: Uint8Array, deaths: readonly number[], stores = true): Promise<number[]> {
  // Nobody waits long for one that will not come back as itself.
  const gathering = stores ? {} : { gatherMs: 50 };
  const coordinator = await createCoordinator({ job, run: { expectedWorkers: data.length, ...gathering } });
  const stored = new Map<number, Uint8Array>();
  const begin = (place: number) => {
    const life = { isOver: false, end: (): void => undefined };
    startWorker({
      connect: () => {
        if (life.isOver) return Promise.reject(new ConnectionError("unreachable", "this process has ended"));
        const pair = memoryPair();
        coordinator.attach(pair.coordinator);
        life.end = () => {
          life.isOver = true;
          pair.worker.close(1006, "killed");
        };
        return Promise.resolve(pair.worker);
      },
      stateStore: {
        load: () => Promise.resolve(stored.get(place)),
        save: (bytes) => {
          if (stores && !life.isOver) stored.set(place, bytes);
          return Promise.resolve();
        },
      },
      unreachableMs: 0,
      ...{ name: `worker ${place}`, device: "test", threads: 1, policy: defaultPolicy },
      data: () => Promise.resolve(data[place]!),
    });
    return life;
  };
  let [first] = data.map((_, place) => begin(place));
  coordinator.on((event) => {
    if (event.event !== "round" || !deaths.includes(event.round)) return;
    first?.end();
    first = begin(0);
  });
  return [...(await coordinator.finished).weights];
}

test("a worker that streams goes on with its own model when its process was killed, bit for bit", async () => {
  const job = encodedJob({ round: federated({ local: streams, server: sgd({ learningRate: 1 }) }), rounds });
  const calm = await trainWithLives(job, []);
  expect(await trainWithLives(job, [2, 5])).toEqual(calm);
  // One that had stored nothing begins anew, with the newest version.
  expect(await trainWithLives(job, [2, 5], false)).not.toEqual(calm);
});

const optimizer = sgd({ learningRate: 0.05 });
const local = { epochs: 2, batchSize: 4, optimizer };

test.each<[string, LocalKnobs]>([
  ["control variates of SCAFFOLD", { ...local, correction: scaffold() }],
  ["memories of FedDyn", { ...local, correction: fedDyn({ alpha: 0.1 }) }],
  ["models of workers that stream", streams],
  ["optimisers that go on", { ...local, optimizer: adam({ learningRate: 0.1 }), keepOptimizer: true }],
])("%s are those of an undisturbed run, bit for bit", async (_, knobs) => {
  // Beside vectors it has a count of steps, of each fragment its own.
  const server = knobs.streaming ? adam({ learningRate: 0.1 }) : sgd({ learningRate: 1 });
  const job = encodedJob({ round: federated({ local: knobs, server }), rounds });
  const [calm, disturbed] = [await trainThrough(job, []), await trainThrough(job, [2, 3, 6])];
  expect(disturbed).toEqual(calm);
});
