/** What workers and coordinator keep from round to round, over processes of either that are killed and come back. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Coordinator, createCoordinator } from "@weft/coordinator";
import { adam, sgd } from "@weft/optim";
import { type Connection, ConnectionError, memoryPair } from "@weft/transport";
import { defaultPolicy, startWorker } from "@weft/worker";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { fedDyn, federated, type LocalKnobs, scaffold } from "weft";
import { encodedJob, uniformData } from "./problem.ts";

const root = mkdtempSync(join(tmpdir(), "weft-restart-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const data = [0, 1, 2].map((place) => uniformData(place, 4 + 2 * place));
const rounds = 8;

interface Kills {
  /** The coordinator is killed once these many rounds were committed. */
  readonly coordinator?: readonly number[];
  /** The first worker is, and another process goes on from what it had stored. */
  readonly worker?: readonly number[];
  /** Whether workers store anything; default true. */
  readonly stores?: boolean;
}

/** Trains to the end; the weights of the last version. */
async function trainThrough(job: Uint8Array, kills: Kills): Promise<number[]> {
  const directory = mkdtempSync(join(root, "run-"));
  const { stores = true } = kills;
  const workers = new Workers(stores);
  // Nobody waits long for a worker that will not come back as itself.
  const run = { expectedWorkers: data.length, ...(stores ? {} : { gatherMs: 50 }) };
  let resume: string | undefined;
  for (const kill of [...(kills.coordinator ?? []), Infinity]) {
    const next: Coordinator = await createCoordinator({
      ...(resume === undefined ? { job } : {}),
      store: { directory, resume, checkpoint: { everyRounds: 3 } },
      run,
    });
    const killed = Promise.withResolvers<undefined>();
    next.on((event) => {
      if (event.event !== "round") return;
      if (kills.worker?.includes(event.round) === true) workers.killFirst();
      if (event.round >= kill) killed.resolve(undefined);
    });
    workers.coordinator = next;
    const outcome = await Promise.race([killed.promise, next.finished]);
    if (outcome !== undefined) {
      await workers.end();
      return [...outcome.weights];
    }
    workers.coordinator = undefined;
    resume = next.run;
    await next.abort();
  }
  throw new Error("the last coordinator runs to the end");
}

/** One for each set of data. */
class Workers {
  coordinator: Coordinator | undefined;
  readonly #stored = new Map<number, Uint8Array>();
  readonly #stores: boolean;
  readonly #lives;

  constructor(stores: boolean) {
    this.#stores = stores;
    this.#lives = data.map((_, place) => this.#begin(place));
  }

  /** As a process that is killed: no word, nothing more is stored. */
  killFirst(): void {
    const [first] = this.#lives;
    if (first === undefined) return;
    first.isOver = true;
    first.connection?.close(1006, "killed");
    first.worker.stop("killed");
    this.#lives[0] = this.#begin(0);
  }

  async end(): Promise<void> {
    await Promise.all(this.#lives.map(({ worker }) => worker.outcome));
  }

  #begin(place: number) {
    const life: { isOver: boolean; connection: Connection | undefined } = { isOver: false, connection: undefined };
    const worker = startWorker({
      connect: () => {
        if (!this.coordinator) return Promise.reject(new ConnectionError("unreachable", "nobody is there"));
        const pair = memoryPair();
        this.coordinator.attach(pair.coordinator);
        life.connection = pair.worker;
        return Promise.resolve(pair.worker);
      },
      stateStore: {
        load: () => Promise.resolve(this.#stored.get(place)),
        save: (bytes) => {
          if (this.#stores && !life.isOver) this.#stored.set(place, bytes);
          return Promise.resolve();
        },
      },
      ...{ name: `worker ${place}`, device: "test", threads: 1, policy: defaultPolicy },
      data: () => Promise.resolve(data[place]!),
      // Comes back at once.
      random: () => 0,
    });
    return Object.assign(life, { worker });
  }
}

const optimizer = sgd({ learningRate: 0.05 });
const local = { epochs: 2, batchSize: 4, optimizer };
const goesOn: LocalKnobs = { steps: 2, batchSize: 4, optimizer: adam({ learningRate: 0.1 }), keepOptimizer: true };
const streams: LocalKnobs = { ...goesOn, streaming: { fragments: 2, mixing: 0.25 } };

const jobOf = (knobs: LocalKnobs) => {
  // Beside vectors it has a count of steps, of each fragment its own.
  const server = knobs.streaming ? adam({ learningRate: 0.1 }) : sgd({ learningRate: 1 });
  return encodedJob({ round: federated({ local: knobs, server }), rounds });
};

test.each<[string, LocalKnobs]>([
  ["control variates of SCAFFOLD", { ...local, correction: scaffold() }],
  ["memories of FedDyn", { ...local, correction: fedDyn({ alpha: 0.1 }) }],
  ["models of workers that stream", streams],
  ["optimisers that go on", goesOn],
])("%s are those of an undisturbed run, bit for bit", async (_, knobs) => {
  const job = jobOf(knobs);
  const [calm, disturbed] = [await trainThrough(job, {}), await trainThrough(job, { coordinator: [2, 3, 6] })];
  expect(disturbed).toEqual(calm);
});

test("a run that streams has the same bits, whichever of its processes are killed after whichever rounds", async () => {
  const job = jobOf(streams);
  const calm = await trainThrough(job, {});
  const after = fc.uniqueArray(fc.integer({ min: 1, max: rounds - 1 }), { maxLength: 3 });
  const kills = fc.record({ coordinator: after.map((all) => all.toSorted((a, b) => a - b)), worker: after });
  await fc.assert(
    fc.asyncProperty(kills, async (killed) => {
      expect(await trainThrough(job, killed)).toEqual(calm);
    }),
    { numRuns: 5, seed: 1, endOnFailure: true },
  );
  // A worker that had stored nothing begins anew, with the newest version.
  expect(await trainThrough(job, { worker: [2, 5], stores: false })).not.toEqual(calm);
});
