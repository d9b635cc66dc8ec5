/** Two connected ends in one process, over the same link code as sockets: for tests, and for workers beside their coordinator. */
import { joinParts, type Carrier, type CarrierSink } from "./carrier.ts";
import type { Connection } from "./connection.ts";
import { Link, type LinkOptions } from "./link.ts";

export interface MemoryPairOptions extends Omit<LinkOptions, "accepts" | "limits" | "onFault"> {
  readonly worker?: Partial<LinkOptions>;
  readonly coordinator?: Partial<LinkOptions>;
  /** Runs each delivery later; microtasks by default. */
  readonly schedule?: (task: () => void) => void;
}

export interface MemoryPair {
  /** The worker's end: it sends worker messages and accepts a coordinator's. */
  readonly worker: Connection;
  readonly coordinator: Connection;
  /** From now on nothing arrives on either side, as on a network that lost its route; what is sent waits. */
  hold(): void;
  /** Ends `hold`. */
  release(): void;
  /** Breaks the pair as a killed process does: both ends close with 1006. */
  sever(): void;
}

export function memoryPair(options: MemoryPairOptions = {}): MemoryPair {
  const { worker: forWorker, coordinator: forCoordinator, schedule = queueMicrotask, ...shared } = options;
  const worker = new MemoryCarrier("coordinator", schedule);
  const coordinator = new MemoryCarrier("worker", schedule);
  worker.peer = coordinator;
  coordinator.peer = worker;
  const workerLink = new Link(worker, { ...shared, accepts: "coordinator", ...forWorker });
  const coordinatorLink = new Link(coordinator, { ...shared, accepts: "worker", ...forCoordinator });
  worker.sink = workerLink;
  coordinator.sink = coordinatorLink;
  const carriers = [worker, coordinator];
  return {
    worker: workerLink,
    coordinator: coordinatorLink,
    hold: () => {
      for (const carrier of carriers) carrier.held = true;
    },
    release: () => {
      for (const carrier of carriers) carrier.release();
    },
    sever: () => {
      for (const carrier of carriers) carrier.finish(1006, "the connection was lost");
    },
  };
}

type Parcel = { readonly frame: Uint8Array } | { readonly code: number; readonly reason: string };

class MemoryCarrier implements Carrier {
  readonly remote: string;
  readonly #schedule: (task: () => void) => void;
  /** Set right after construction: the two carriers and their links know each other. */
  peer: MemoryCarrier | undefined;
  sink: CarrierSink | undefined;
  held = false;
  bufferedBytes = 0;
  #underway: Parcel[] = [];
  #closing = false;
  #ended = false;

  constructor(remote: string, schedule: (task: () => void) => void) {
    this.remote = remote;
    this.#schedule = schedule;
  }

  send(parts: readonly Uint8Array[]): void {
    // A copy, as on a wire: what the sender does with its array afterwards is its own business.
    const frame = joinParts([...parts, new Uint8Array(0)]);
    this.bufferedBytes += frame.length;
    this.#post({ frame });
  }

  close(code: number, reason: string): void {
    if (this.#closing) return;
    this.#post({ code, reason });
    this.#closing = true;
    this.#schedule(() => {
      this.finish(code, reason);
    });
  }

  terminate(): void {
    this.finish(1006, "terminated");
  }

  release(): void {
    this.held = false;
    for (let left = this.#underway.length; left > 0; left--) this.#deliverLater();
  }

  finish(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.sink?.ended(code, reason);
  }

  #post(parcel: Parcel): void {
    if (this.#closing || this.#ended) return;
    this.#underway.push(parcel);
    this.#deliverLater();
  }

  #deliverLater(): void {
    this.#schedule(() => {
      if (!this.held) this.#deliver();
    });
  }

  #deliver(): void {
    const parcel = this.#underway.shift();
    if (parcel === undefined) return;
    if ("code" in parcel) {
      this.peer?.finish(parcel.code, parcel.reason);
      return;
    }
    this.bufferedBytes -= parcel.frame.length;
    if (this.peer?.closingOrEnded === false) this.peer.sink?.receive(parcel.frame);
    if (!this.closingOrEnded) this.sink?.drained();
  }

  get closingOrEnded(): boolean {
    return this.#closing || this.#ended;
  }
}
