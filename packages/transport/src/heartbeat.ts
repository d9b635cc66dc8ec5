/** Pings at a fixed beat; says when the peer has been silent for too long, or takes nothing of what waits for it. */
import type { Clock } from "./clock.ts";

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly everyMs: number;
  /** Beats without a sign of life after which the peer counts as dead. */
  readonly missedLimit: number;
  readonly ping: (id: number) => void;
  readonly dead: (reason: string) => void;
  /** Whether bytes are waiting for a peer that should take them. */
  readonly hasBacklog: () => boolean;
}

export class Heartbeat {
  roundTripMs: number | undefined;
  readonly #options: HeartbeatOptions;
  #timer: unknown;
  #missed = 0;
  #stalled = 0;
  #id = 0;
  #sentMs = 0;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#schedule();
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
    if (id === this.#id) this.roundTripMs = this.#options.clock.now() - this.#sentMs;
  }

  stop(): void {
    this.#options.clock.clearTimer(this.#timer);
  }

  #schedule(): void {
    const { clock, everyMs } = this.#options;
    this.#timer = clock.setTimer(() => {
      this.#beat();
    }, everyMs);
  }

  #beat(): void {
    const { clock, everyMs, missedLimit, ping, dead, hasBacklog } = this.#options;
    if (this.#missed >= missedLimit) {
      dead(`no sign of life for ${missedLimit} heartbeats of ${everyMs} ms`);
      return;
    }
    this.#stalled = hasBacklog() ? this.#stalled + 1 : 0;
    if (this.#stalled > missedLimit) {
      dead(`the peer has read nothing for ${missedLimit} heartbeats of ${everyMs} ms`);
      return;
    }
    this.#missed += 1;
    this.#id += 1;
    this.#sentMs = clock.now();
    this.#schedule();
    ping(this.#id);
  }
}
