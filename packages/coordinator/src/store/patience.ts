/** Tries a write again, with longer and longer pauses, while it fails for a reason that may pass: a full or read-only disk. */
import type { Clock } from "@weft/transport";
import { StoreError } from "../errors.ts";

export interface PatienceOptions {
  readonly clock: Clock;
  readonly onWait: (reason: string, retryInMs: number) => void;
  readonly onBack: (waitedMs: number) => void;
}

const firstPauseMs = 500;
const longestPauseMs = 15_000;

export class Patience {
  readonly #options: PatienceOptions;
  readonly #over = new AbortController();
  #waiting: string | undefined;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** Why it waits; undefined when it does not. */
  get waiting(): string | undefined {
    return this.#waiting;
  }

  /** @throws whatever `work` throws that trying again cannot heal, or its last error once all is given up */
  async until<T>(work: () => T | Promise<T>): Promise<T> {
    const { clock, onWait, onBack } = this.#options;
    let startedMs: number | undefined;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        const done = await work();
        this.#waiting = undefined;
        if (startedMs !== undefined) onBack(clock.now() - startedMs);
        return done;
      } catch (error) {
        if (!isPassing(error) || this.#over.signal.aborted) throw error;
        startedMs ??= clock.now();
        this.#waiting = error.message;
        onWait(error.message, pauseMs);
      }
      await this.#pause(pauseMs);
    }
  }

  /** What waits is tried once more, and then no longer. */
  giveUp(): void {
    this.#over.abort();
  }

  #pause(ms: number): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#over;
    return new Promise((resolve) => {
      const done = () => {
        clock.clearTimer(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = clock.setTimer(done, ms);
      if (signal.aborted) done();
      else signal.addEventListener("abort", done);
    });
  }
}

export const isPassing = (error: unknown): error is StoreError => error instanceof StoreError && error.passing;
