/** The workers of a simulation behind one entrance: each is a few numbers, and an object while the coordinator has called it. */
import { hash } from "node:crypto";
import type { CrowdEntrance } from "@weft/coordinator";
import { protocolVersion, type Message } from "@weft/protocol";
import { accountOf, Tally, type CloseReason, type Connection, type ConnectionStats } from "@weft/transport";
import { codecKinds } from "@weft/vector";
import { slownessOf } from "./machines.ts";
import { SimulatedWorker, type Kept, type WorkerWorld } from "./simulatedWorker.ts";
import { wireBytes } from "./virtualConnection.ts";

export interface CrowdOptions {
  readonly workers: number;
  /** Of the machines. */
  readonly seed: number;
  /** Encoded. */
  readonly job: Uint8Array;
  readonly run: string;
}

export class SimulatedCrowd implements CrowdEntrance {
  readonly device = "simulated";
  readonly closed: Promise<CloseReason> = new Promise<CloseReason>(() => undefined);
  readonly #world: WorkerWorld;
  readonly #options: CrowdOptions;
  readonly #called = new Map<number, SimulatedWorker>();
  /** Of those that were called before. */
  readonly #kept = new Map<number, Kept>();
  readonly #tally = new Tally();
  #sentBytes = 0;
  #receivedBytes = 0;

  constructor(world: WorkerWorld, options: CrowdOptions) {
    this.#world = world;
    this.#options = options;
  }

  get stats(): ConnectionStats {
    return {
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      roundTripMs: undefined,
      tally: this.#tally.entries(),
    };
  }

  /** Counts what so many workers and the coordinator say to each other before they are ready. */
  greet(workers: number): void {
    const { job, run } = this.#options;
    const jobHash = hash("sha256", job, "hex");
    const capabilities = { device: this.device, threads: 1, memoryBytes: 2 ** 31, codecs: [...codecKinds] };
    const name = "machine 0";
    this.#hear({ kind: "hello", protocol: protocolVersion, software: "weft", name, capabilities }, workers);
    const [worker, resume] = ["0".repeat(12), "0".repeat(43)];
    this.tell({ kind: "welcome", worker, resume, run, jobHash, heartbeatMs: 5000 }, workers);
    this.tell({ kind: "job", hash: jobHash }, workers, [job]);
    this.#hear({ kind: "ready", jobHash }, workers);
  }

  tell(message: Message, workers: number, payload: readonly Uint8Array[] = []): void {
    const bytes = workers * wireBytes(message, payload);
    this.#sentBytes += bytes;
    this.#tally.count(accountOf(message), "sentBytes", bytes);
  }

  #hear(message: Message, workers: number): void {
    const bytes = workers * wireBytes(message, []);
    this.#receivedBytes += bytes;
    this.#tally.count(accountOf(message), "receivedBytes", bytes);
  }

  connect(place: number): Connection {
    const { seed } = this.#options;
    const kept = this.#kept.get(place) ?? { partition: undefined, state: undefined };
    this.#kept.set(place, kept);
    const slowness = slownessOf(this.#world.model, seed, place);
    const worker = new SimulatedWorker(this.#world, kept, { name: `machine ${place}`, slowness });
    this.#called.set(place, worker);
    void worker.connection.closed.then(() => {
      if (this.#called.get(place) === worker) this.#called.delete(place);
    });
    return worker.connection;
  }

  /** A worker gives up what it was doing. */
  vanish(place: number): void {
    this.#called.get(place)?.vanish();
  }
}
