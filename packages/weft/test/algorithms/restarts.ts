/** Runs of the small problem whose coordinator and workers are killed, each going on from what it had stored. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Coordinator, createCoordinator } from "@weft/coordinator";
import type { Dataset } from "@weft/data";
import { type Connection, ConnectionError, memoryPair } from "@weft/transport";
import { defaultPolicy, startWorker } from "@weft/worker";
import { afterAll } from "vitest";

const root = mkdtempSync(join(tmpdir(), "weft-restart-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

export interface Kills {
  /** The coordinator is killed once these many rounds were committed. */
  readonly coordinator?: readonly number[];
  /** The first worker is, and another process goes on from what it had stored. */
  readonly worker?: readonly number[];
  /** Whether workers store anything; default true. */
  readonly stores?: boolean;
}

/** Trains to the end, a worker for each set of data; the weights of the last version. */
export async function trainThrough(job: Uint8Array, data: readonly Dataset[], kills: Kills): Promise<number[]> {
  const directory = mkdtempSync(join(root, "run-"));
  const { stores = true } = kills;
  const workers = new Workers(data, stores);
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
  readonly #data: readonly Dataset[];
  readonly #stores: boolean;
  readonly #lives;

  constructor(data: readonly Dataset[], stores: boolean) {
    this.#data = data;
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
      data: () => Promise.resolve(this.#data[place]!),
      // Comes back at once.
      random: () => 0,
    });
    return Object.assign(life, { worker });
  }
}
