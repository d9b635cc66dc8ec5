/** A worker: connects, serves one session after another, and comes back with capped, jittered back-off when a link is lost. */
import type { Connection } from "@weft/transport";
import { ConnectionError, backoffDelay, systemClock } from "@weft/transport";
import type { WorkerEvent, WorkerOutcome } from "./events.ts";
import { LocalState } from "./localState.ts";
import type { WorkerIdentity, WorkerOptions } from "./options.ts";
import { runSession } from "./session.ts";

export interface WorkerHandle {
  /** Never rejects for anything the coordinator or the network did. */
  readonly outcome: Promise<WorkerOutcome>;
  /** Leaves: tells the coordinator, closes the connection, and lets `outcome` resolve. */
  stop(reason: string): void;
}

export function startWorker(options: WorkerOptions): WorkerHandle {
  const stopped = Promise.withResolvers<WorkerOutcome>();
  let connection: Connection | undefined;
  let stopping = false;
  const { clock = systemClock, random = Math.random } = options;
  const emit = (event: WorkerEvent) => options.onEvent?.(event);
  const outcome = Promise.race([stopped.promise, serve()]).then((ended) => {
    emit({ event: "ended", outcome: ended });
    return ended;
  });

  async function serve(): Promise<WorkerOutcome> {
    const identity: WorkerIdentity = { state: new LocalState() };
    let lostAt = clock.now();
    for (let attempt = 0; !stopping; attempt++) {
      const reason = await connectAndRun(identity, () => (attempt = 0));
      if (typeof reason !== "string") return reason;
      if (attempt === 0) lostAt = clock.now();
      const waitedMs = clock.now() - lostAt;
      if (waitedMs >= options.unreachableMs) {
        return { kind: "unreachable", reason: `no coordinator for ${Math.round(waitedMs / 1000)} s: ${reason}` };
      }
      const retryInMs = backoffDelay(attempt, random);
      emit({ event: "disconnected", reason, retryInMs });
      await pause(retryInMs);
    }
    return stopped.promise;
  }

  /** Until the time is over or the worker is stopped. */
  async function pause(ms: number): Promise<void> {
    const over = Promise.withResolvers<undefined>();
    const timer = clock.setTimer(() => {
      over.resolve(undefined);
    }, ms);
    await Promise.race([stopped.promise, over.promise]);
    clock.clearTimer(timer);
  }

  /** One connection's life: its outcome, or why to try again. */
  async function connectAndRun(identity: WorkerIdentity, onSession: () => void): Promise<WorkerOutcome | string> {
    try {
      connection = await options.connect();
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      return error.retry ? error.message : { kind: "refused", code: error.code, reason: error.message };
    }
    onSession();
    const end = await runSession(connection, { options, clock, identity, emit });
    connection.close(1000, end.kind);
    return end.kind === "lost" ? end.reason : end;
  }

  return {
    outcome,
    stop(reason) {
      stopping = true;
      // The link may already be gone: then there is nobody to tell.
      connection?.send({ kind: "leave", reason }).catch(() => undefined);
      connection?.close(1000, "leaving");
      stopped.resolve({ kind: "stopped", reason });
    },
  };
}
