/** One direction of a connection: frames leave as fast as the bandwidth lets them, and arrive in order after a delay. */
import type { Clock } from "@weft/transport";

/** How good a worker's access to the network is; may change at any time, for what is sent from then on. */
export interface Quality {
  /** One way. */
  latencyMs: number;
  /** Added to the latency, uniform from 0; frames of one connection still arrive in order. */
  jitterMs: number;
  bytesPerMs: number;
}

export interface Parcel {
  readonly bytes: number;
  readonly deliver: () => void;
  /** Told when the parcel has left the sender's buffer. */
  readonly left?: () => void;
}

/** Access of one machine to the network, shared by the connections it has had. */
export interface Access {
  readonly quality: Quality;
  /** Nothing passes; what was sent waits. */
  held: boolean;
}

export class Line {
  readonly #clock: Clock;
  readonly #access: Access;
  readonly #random: () => number;
  #queue: Parcel[] = [];
  /** Left the sender, on the way; in order. */
  #arriving: Parcel[] = [];
  /** How many of them may be delivered. */
  #due = 0;
  #sending = false;
  #lastArrivalMs = 0;
  #ended = false;

  constructor(clock: Clock, access: Access, random: () => number) {
    this.#clock = clock;
    this.#access = access;
    this.#random = random;
  }

  /** Parcels that have not been delivered. */
  get underway(): number {
    return this.#queue.length + this.#arriving.length;
  }

  post(parcel: Parcel): void {
    if (this.#ended) return;
    this.#queue.push(parcel);
    this.#pump();
  }

  /** The route is there again: what was held back comes at once, in order. */
  release(): void {
    this.#pump();
    this.#deliver();
  }

  /** Whatever is under way is lost. */
  end(): void {
    this.#ended = true;
    this.#queue = [];
    this.#arriving = [];
  }

  #pump(): void {
    const [parcel] = this.#queue;
    if (parcel === undefined || this.#sending || this.#access.held) return;
    this.#sending = true;
    this.#clock.setTimer(() => {
      this.#depart(parcel);
    }, parcel.bytes / this.#access.quality.bytesPerMs);
  }

  #depart(parcel: Parcel): void {
    this.#sending = false;
    if (this.#ended) return;
    this.#queue.shift();
    const { latencyMs, jitterMs } = this.#access.quality;
    const arrivalMs = this.#clock.now() + latencyMs + jitterMs * this.#random();
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, arrivalMs);
    this.#arriving.push(parcel);
    this.#clock.setTimer(() => {
      this.#due += 1;
      this.#deliver();
    }, this.#lastArrivalMs - this.#clock.now());
    parcel.left?.();
    this.#pump();
  }

  #deliver(): void {
    while (this.#due > 0 && !this.#access.held && !this.#ended) {
      this.#due -= 1;
      this.#arriving.shift()?.deliver();
    }
  }
}
