/** A worker: connects, serves one session after another, and comes back with capped, jittered back-off when a link is lost. */
import type { Connection } from "@weft/transport";
import { ConnectionError, backoffDelay, systemClock } from "@weft/transport";
import { Downloads } from "./downloads.ts";
import { EncodingRoom } from "./encodingRoom.ts";
import type { WorkerEvent, WorkerOutcome } from "./events.ts";
import { LocalState } from "./localState.ts";
import type { WorkerIdentity, WorkerOptions } from "./options.ts";
import { PendingUpdate } from "./pendingUpdate.ts";
import { Session } from "./session.ts";
import { StoredState } from "./storedState.ts";
import { transferProgress } from "./transferProgress.ts";
import { Versions } from "./versions.ts";

export interface WorkerHandle {
  /** Never rejects for anything the coordinator or the network did. */
  readonly outcome: Promise<WorkerOutcome>;
  /**
   * Takes no further order, and leaves when the one under way is done and its update answered; after `withinMs` (10,000 by
   * default) in any case. What is not done by then is handed back.
   */
  drain(reason: string, withinMs?: number): void;
  /** Leaves at once: tells the coordinator, closes the connection, and lets `outcome` resolve. */
  stop(reason: string): void;
}

const defaultDrainMs = 10_000;

export function startWorker(options: WorkerOptions): WorkerHandle {
  const worker = new ReconnectingWorker(options);
  return {
    outcome: worker.run(),
    drain: (reason, withinMs = defaultDrainMs) => {
      worker.drain(reason, withinMs);
    },
    stop: (reason) => {
      worker.stop(reason);
    },
  };
}

class ReconnectingWorker {
  readonly #options: WorkerOptions;
  readonly #clock;
  readonly #random;
  readonly #identity: WorkerIdentity;
  readonly #stored: StoredState;
  readonly #stopped = Promise.withResolvers<WorkerOutcome>();
  #connection: Connection | undefined;
  #session: Session | undefined;
  #stopping = false;
  #draining: string | undefined;
  #cancelDrain: () => void = () => undefined;
  /** Attempts to connect since the coordinator last let us in. */
  #attempt = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    const telling = {
      clock: this.#clock,
      emit: (event: WorkerEvent) => {
        this.#emit(event);
      },
    };
    const downloads = new Downloads(transferProgress("down", telling));
    const versions = new Versions(downloads);
    const state = new LocalState();
    const encodings = new EncodingRoom(state);
    const pending = new PendingUpdate(encodings, transferProgress("up", telling));
    const identity: WorkerIdentity = { state, downloads, versions, encodings, pending };
    this.#identity = identity;
    this.#stored = new StoredState(options.stateStore, {
      identity,
      onProblem: (reason) => {
        this.#emit({ event: "stateProblem", reason });
      },
    });
  }

  async run(): Promise<WorkerOutcome> {
    await this.#stored.restore();
    const outcome = await Promise.race([this.#stopped.promise, this.#serve()]);
    this.#cancelDrain();
    this.#emit({ event: "ended", outcome });
    return outcome;
  }

  drain(reason: string, withinMs: number): void {
    if (this.#draining !== undefined || this.#stopping) return;
    this.#draining = reason;
    if (this.#session === undefined) {
      this.stop(reason);
      return;
    }
    const timer = this.#clock.setTimer(() => {
      this.stop(reason);
    }, withinMs);
    this.#cancelDrain = () => {
      this.#clock.clearTimer(timer);
    };
    void this.#session.drain(reason);
  }

  stop(reason: string): void {
    this.#stopping = true;
    // The link may already be gone: then there is nobody to tell.
    this.#connection?.send({ kind: "leave", reason }).catch(() => undefined);
    this.#connection?.close(1000, "leaving");
    this.#stopped.resolve({ kind: "stopped", reason });
  }

  async #serve(): Promise<WorkerOutcome> {
    const { unreachableMs = Infinity } = this.#options;
    let lostAt = this.#clock.now();
    for (; !this.#isStopping(); this.#attempt++) {
      const reason = await this.#connectAndRun();
      if (typeof reason !== "string") return reason;
      if (this.#draining !== undefined && !this.#identity.pending.isWaiting) {
        return { kind: "stopped", reason: this.#draining };
      }
      if (this.#attempt === 0) lostAt = this.#clock.now();
      const waitedMs = this.#clock.now() - lostAt;
      if (waitedMs >= unreachableMs) {
        return { kind: "unreachable", reason: `no coordinator for ${Math.round(waitedMs / 1000)} s: ${reason}` };
      }
      const retryInMs = backoffDelay(this.#attempt, this.#random);
      this.#emit({ event: "disconnected", reason, retryInMs });
      await this.#pause(retryInMs);
    }
    return this.#stopped.promise;
  }

  /** One connection's life: its outcome, or why to try again. */
  async #connectAndRun(): Promise<WorkerOutcome | string> {
    let connection: Connection;
    try {
      connection = await this.#options.connect();
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      return error.retry ? error.message : { kind: "refused", code: error.code, reason: error.message };
    }
    if (this.#isStopping()) connection.close(1000, "leaving");
    const session = new Session(connection, {
      options: this.#options,
      clock: this.#clock,
      random: this.#random,
      identity: this.#identity,
      stored: this.#stored,
      emit: (event) => {
        this.#emit(event);
      },
      welcomed: () => (this.#attempt = 0),
    });
    [this.#connection, this.#session] = [connection, session];
    // A connection that was lost while leaving: only what waits for its answer is still to be done.
    if (this.#draining !== undefined) void session.drain(this.#draining);
    const end = await session.run();
    [this.#connection, this.#session] = [undefined, undefined];
    connection.close(1000, end.kind);
    return end.kind === "lost" ? end.reason : (this.#stayingAfter(end) ?? end);
  }

  /** Why a worker that stays goes on looking for a run; undefined for what ends it all the same. */
  #stayingAfter(end: WorkerOutcome): string | undefined {
    if (this.#options.stays !== true || this.#draining !== undefined) return undefined;
    // Of a run that it is to work for by name or id, the next one may be there later.
    if (end.kind === "refused") return end.code === "run" ? end.reason : undefined;
    if (end.kind !== "finished") return undefined;
    const { reason, metrics } = end;
    this.#emit({ event: "finished", run: this.#identity.run ?? "", reason, metrics });
    return "no other run yet";
  }

  /** Until the time is over or the worker is stopped. */
  async #pause(ms: number): Promise<void> {
    const over = Promise.withResolvers<undefined>();
    const timer = this.#clock.setTimer(() => {
      over.resolve(undefined);
    }, ms);
    await Promise.race([this.#stopped.promise, over.promise]);
    this.#clock.clearTimer(timer);
  }

  /** A call, for the compiler takes a field to be what it was before an await. */
  #isStopping(): boolean {
    return this.#stopping;
  }

  #emit(event: WorkerEvent): void {
    this.#options.onEvent?.(event);
  }
}
