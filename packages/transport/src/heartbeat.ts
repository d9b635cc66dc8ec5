/** Pings at a fixed beat; says when the peer has been silent for too long, or takes nothing of what waits for it. */
import { type Beats, beatsOf } from "./beats.ts";
import type { Clock } from "./clock.ts";

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly everyMs: number;
  /** Beats without a sign of life after which the peer counts as dead. */
  readonly missedLimit: number;
}

/** What a heartbeat keeps an eye on. */
export interface Watched {
  /** Whether bytes are waiting for a peer that should take them. */
  readonly hasBacklog: boolean;
  ping(id: number): void;
  dead(reason: string): void;
}

export class Heartbeat {
  roundTripMs: number | undefined;
  readonly #watched: Watched;
  readonly #clock: Clock;
  readonly #beats: Beats;
  readonly #everyMs: number;
  readonly #missedLimit: number;
  #missed = 0;
  #stalled = 0;
  #id = 0;
  #sentMs = 0;
  /** Until its answer has come no other is sent: nothing overtakes it, and its time is that of the whole wait. */
  #isUnanswered = false;

  constructor(watched: Watched, { clock, everyMs, missedLimit }: HeartbeatOptions) {
    this.#watched = watched;
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#missedLimit = missedLimit;
    this.#beats = beatsOf(clock, everyMs);
    this.#beats.add(this);
  }

  /** Anything arrived: under load a pong may be far behind, and a chunk proves life as well. */
  alive(): void {
    this.#missed = 0;
  }

  /** The peer took some of what waited. */
  progress(): void {
    this.#stalled = 0;
  }

  pong(id: number): void {
    if (id !== this.#id) return;
    this.#isUnanswered = false;
    this.roundTripMs = this.#clock.now() - this.#sentMs;
  }

  stop(): void {
    this.#beats.remove(this);
  }

  beat(): void {
    const [watched, everyMs, missedLimit] = [this.#watched, this.#everyMs, this.#missedLimit];
    if (this.#missed >= missedLimit) {
      watched.dead(`no sign of life for ${missedLimit} heartbeats of ${everyMs} ms`);
      return;
    }
    this.#stalled = watched.hasBacklog ? this.#stalled + 1 : 0;
    if (this.#stalled > missedLimit) {
      watched.dead(`the peer has read nothing for ${missedLimit} heartbeats of ${everyMs} ms`);
      return;
    }
    this.#missed += 1;
    if (this.#isUnanswered) return;
    this.#isUnanswered = true;
    this.#id += 1;
    this.#sentMs = this.#clock.now();
    watched.ping(this.#id);
  }
}
