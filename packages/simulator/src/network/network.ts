/** A network in one process: each worker has an access of its own to the coordinator, which is as good, or as bad, as told. */
import { ConnectionError, Link, type Clock, type LinkOptions } from "@weft/transport";
import type { ProcessClock } from "../processClock.ts";
import { SimulatedCarrier } from "./carrier.ts";
import { Line, type Access, type Quality } from "./line.ts";

/** How long connecting may take before it is given up, as in `connectWebSocket`. */
const connectTimeoutMs = 10_000;

export type Side = "worker" | "coordinator";

/** Both ends of one connection, each with the line on which it sends. */
export interface Wire {
  readonly worker: SimulatedCarrier;
  readonly coordinator: SimulatedCarrier;
  readonly lines: Readonly<Record<Side, Line>>;
}

/** One end of a connection to be: whose process it is, what its clock shows, how its link is set up. */
export interface End {
  readonly process: ProcessClock;
  /** What its links measure time with; the process's own clock where it shows the right time. */
  readonly clock: Clock;
  readonly link: LinkOptions;
}

/** Whoever listens for connections at the moment. */
export interface Listener extends End {
  accept(link: Link): void;
}

/** A worker's way to the coordinator. */
export class Route implements Access {
  readonly name: string;
  readonly quality: Quality;
  held = false;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #wires = new Set<Wire>();

  constructor(name: string, quality: Quality, { clock, random }: { clock: Clock; random: () => number }) {
    this.name = name;
    this.quality = { ...quality };
    this.#clock = clock;
    this.#random = random;
  }

  /** Connections of which at least one end is open. */
  get wires(): readonly Wire[] {
    for (const wire of this.#wires) {
      if (wire.worker.hasEnded && wire.coordinator.hasEnded) this.#wires.delete(wire);
    }
    return [...this.#wires];
  }

  /** From now on nothing passes, in either direction. */
  hold(): void {
    this.held = true;
  }

  release(): void {
    if (!this.held) return;
    this.held = false;
    for (const { lines } of this.wires) for (const line of Object.values(lines)) line.release();
  }

  /** Breaks every connection over this route; what is under way is lost. */
  cut(told: readonly Side[] = ["worker", "coordinator"]): void {
    for (const wire of this.wires) {
      for (const line of Object.values(wire.lines)) line.end();
      for (const side of told) wire[side].reset();
    }
  }

  /** The process on one side is gone: what it sent still arrives, then the other side is told by the network. */
  lose(side: Side): void {
    const other = side === "worker" ? "coordinator" : "worker";
    for (const wire of this.wires) {
      wire[side].finish(1006, "the process has ended");
      wire.lines[side].post({
        bytes: 40,
        deliver: () => {
          wire[other].reset();
        },
      });
    }
  }

  /** Bytes that wait to leave either end of any connection. */
  get bufferedBytes(): number {
    return this.wires.reduce(
      (bytes, { worker, coordinator }) => bytes + worker.bufferedBytes + coordinator.bufferedBytes,
      0,
    );
  }

  /**
   * Connects as `connectWebSocket` does.
   *
   * @param listener whoever listens when the request arrives; undefined when nobody does
   * @throws {ConnectionError} when nobody listens or no answer comes
   */
  connect(worker: End, listener: () => Listener | undefined): Promise<Link> {
    const { promise, resolve, reject } = Promise.withResolvers<Link>();
    const { process } = worker;
    const timeout = process.setTimer(() => {
      reject(new ConnectionError("timeout", "coordinator: no answer in time"));
    }, connectTimeoutMs);
    const answer = (give: () => void) => {
      this.#clock.setTimer(() => {
        process.run(() => {
          process.clearTimer(timeout);
          give();
        });
      }, this.quality.latencyMs);
    };
    this.#clock.setTimer(() => {
      if (this.held) return;
      const target = listener();
      if (target === undefined) {
        answer(() => {
          reject(new ConnectionError("unreachable", "coordinator: nothing listens there; is the coordinator running?"));
        });
        return;
      }
      const { wire, accept, open } = this.#wire(worker, target);
      target.process.run(accept);
      answer(() => {
        if (wire.worker.isOpen) resolve(open());
        else reject(new ConnectionError("unreachable", "coordinator: cannot be reached (connection reset)"));
      });
    }, this.quality.latencyMs);
    return promise;
  }

  #wire(from: End, to: Listener) {
    const line = () => new Line(this.#clock, this, this.#random);
    const lines = { worker: line(), coordinator: line() };
    const worker = new SimulatedCarrier("coordinator", lines.worker, from.process);
    const coordinator = new SimulatedCarrier(this.name, lines.coordinator, to.process);
    worker.peer = coordinator;
    coordinator.peer = worker;
    const wire: Wire = { worker, coordinator, lines };
    this.#wires.add(wire);
    const accept = () => {
      const link = new Link(coordinator, { ...to.link, clock: to.clock });
      coordinator.sink = link;
      to.accept(link);
    };
    const open = () => {
      const link = new Link(worker, { ...from.link, clock: from.clock });
      worker.sink = link;
      return link;
    };
    return { wire, accept, open };
  }
}
