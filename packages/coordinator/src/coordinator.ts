/** The coordinator: takes a job, gathers workers, runs its rounds to the end, and keeps what they made. */
import { hash } from "node:crypto";
import { limitsFor } from "@weft/protocol";
import { type Clock, type Connection, systemClock } from "@weft/transport";
import { type Logger, pino } from "pino";
import { CoordinatorOptionsError } from "./errors.ts";
import { createEvents } from "./eventLog.ts";
import type { CoordinatorListener } from "./events.ts";
import { initialWeights } from "./model/initialWeights.ts";
import { layoutOf } from "./model/layout.ts";
import { ServerModel } from "./model/serverModel.ts";
import type { CoordinatorOptions } from "./options.ts";
import type { Outcome } from "./outcome.ts";
import { planOf, type PreparedJob, prepareJob } from "./prepareJob.ts";
import { resumedState } from "./round/durable.ts";
import { initialState, type RunState } from "./round/state.ts";
import { step } from "./round/step.ts";
import { Committer } from "./run/committer.ts";
import { Run } from "./run/run.ts";
import { type Server, startServer } from "./server.ts";
import { encodeBroadcast } from "./session/broadcast.ts";
import { serveExamples } from "./session/examples.ts";
import { createIdentities } from "./session/identities.ts";
import { newRunId } from "./store/createRun.ts";
import { type OpenedStore, openStore, storedJob } from "./store/openStore.ts";

export interface Coordinator {
  /** ws://host:port, undefined when it does not listen. */
  readonly url: string | undefined;
  readonly run: string;
  /** The run's directory, where it is stored. */
  readonly directory: string | undefined;
  /** Called for every event from now on, in order; "listening" and "recovered" are given to each listener first. The result unsubscribes. */
  on(listener: CoordinatorListener): () => void;
  /** Takes a worker's connection that came another way, such as one half of a memory pair. */
  attach(connection: Connection): void;
  /** Opens no further round until `unpause`. */
  pause(): void;
  unpause(): void;
  /**
   * Resolves when the run has ended (by its stop rule, `stop` or `abort`) and everything is closed. Rejects with a
   * WeftError when the run cannot go on, such as on a full disk.
   */
  readonly finished: Promise<Outcome>;
  /** Ends after the round being committed, writes a checkpoint, tells the workers, closes. */
  stop(reason: string): Promise<Outcome>;
  /** Closes at once as a killed process would: nothing more is written. */
  abort(): Promise<void>;
}

const heartbeatMs = 5000;
const messagesPerSecond = 2000;

/**
 * Starts a run, or goes on with a stored one.
 *
 * @throws {CoordinatorOptionsError} when the job asks for what is not supported, or the examples are not the job's
 * @throws {ListenError} when the address cannot, or must not, be listened on
 * @throws {RunError | StoreError} when a stored run is not there, in use, or damaged
 */
export async function createCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const log = options.log ?? pino({ level: "silent" });
  // Children by topic, so that an operator can ask for one of them alone.
  const wireLog = log.child({ topic: "wire" });
  const clock = options.run?.clock ?? systemClock;
  const events = createEvents(log.child({ topic: "round" }));
  const { run, opened, prepared, committer, live } = await assemble(options, {
    log: wireLog,
    clock,
    emit: events.emit,
  });
  if (opened?.resumed !== undefined) {
    const { version, checkpoint, warnings } = opened.resumed;
    events.emit({ event: "recovered", run, version, checkpoint, warnings });
  }
  let server: Server | undefined;
  try {
    server = await listen(options, { live, run, prepared, clock, log: wireLog });
  } catch (error) {
    await committer.close();
    throw error;
  }
  if (server !== undefined) {
    const { close } = server;
    live.closeAlso(close);
    events.emit({ event: "listening", url: server.url, run });
  }
  // Whoever called has the chance to listen before the first event.
  setImmediate(() => {
    live.dispatch({ kind: "tick" });
  });
  return {
    url: server?.url,
    run,
    directory: opened?.store.directory,
    on: events.on,
    attach: (connection) => {
      live.attach(connection);
    },
    pause: () => {
      live.dispatch({ kind: "pause" });
    },
    unpause: () => {
      live.dispatch({ kind: "unpause" });
    },
    finished: live.finished,
    stop(reason) {
      live.dispatch({ kind: "stop", detail: reason });
      return live.finished;
    },
    abort: () => live.abort(),
  };
}

interface Surroundings {
  readonly log: Logger;
  readonly clock: Clock;
  readonly emit: (event: Parameters<CoordinatorListener>[0]) => void;
}

/** Everything but the server. */
async function assemble(options: CoordinatorOptions, { log, clock, emit }: Surroundings) {
  const resume = options.store?.resume;
  const stored = resume === undefined || !options.store ? undefined : storedJob(options.store.directory, resume);
  const prepared = prepareJob(stored?.encoded ?? givenJob(options));
  const { encoded, job, manifest, codecs, uploads } = prepared;
  const { document } = job;
  const examples = serveExamples(document, options);
  const layout = layoutOf(document, manifest);
  const model = await ServerModel.create(document.round.server, await initialWeights(job, manifest), layout);
  const opened =
    options.store &&
    (await openStore({ ...options.store, nowMs: () => clock.now() }, model, {
      resume: stored?.run,
      name: document.name,
      job: encoded,
      manifest,
      weighting: document.round.weighting,
      hash: () => encodeBroadcast(0, model.weights, codecs.down).hash,
    }));
  const store = opened?.store;
  const run = store?.run ?? newRunId();
  const { version = 0, last } = opened?.resumed ?? {};
  const { evaluate } = options;
  const metrics = last?.metrics ?? {};
  const committer = new Committer({ document, codec: codecs.down, model, uploads, store, evaluate, version, metrics });
  const identities = createIdentities(store);
  const live = new Run({
    run,
    state: startingState(options, prepared, opened, clock.now()),
    committer,
    uploads,
    decide: options.run?.decide ?? step,
    session: {
      run,
      job: encoded,
      jobHash: hash("sha256", encoded, "hex"),
      codecs: [document.codec.up.kind, document.codec.down.kind],
      servesExamples: document.examples > 0,
      token: options.listen?.token,
      heartbeatMs,
      clock,
      identities,
      examples,
      log,
    },
    emit,
  });
  return { run, opened, prepared, committer, live };
}

function givenJob({ job }: CoordinatorOptions): Uint8Array {
  if (job !== undefined) return job;
  throw new CoordinatorOptionsError("a run needs a job; give `job`, or `store.resume` to go on with a stored run");
}

function startingState(
  options: CoordinatorOptions,
  { job }: PreparedJob,
  opened: OpenedStore | undefined,
  nowMs: number,
): RunState {
  const plan = planOf(job.document, options.run);
  const { resumed } = opened ?? {};
  if (resumed?.last === undefined) return initialState(plan, options.run?.expectedWorkers ?? 1);
  const { version, workers, last } = resumed;
  return resumedState(plan, { version, progress: last.progress, workers, nowMs });
}

async function listen(
  { listen: options }: CoordinatorOptions,
  { live, run, prepared, clock, log }: { live: Run; run: string; prepared: PreparedJob; clock: Clock; log: Logger },
): Promise<Server | undefined> {
  if (options === undefined) return undefined;
  const limits = limitsFor({ parameters: prepared.manifest.size });
  return startServer(options, {
    log,
    link: {
      accepts: "worker",
      limits: () => limits,
      clock,
      heartbeatMs,
      maxMessagesPerSecond: messagesPerSecond,
      onFault: ({ remote, code, reason, cause }) => {
        // Only what is our own fault has more to say than its reason.
        log.warn({ remote, code, reason, ...(code === 1011 ? { err: cause } : {}) }, "connection closed");
      },
    },
    connect: (connection) => {
      live.attach(connection);
    },
    connections: () => live.connections,
    health: () => ({ run, version: live.version, workers: live.workers }),
  });
}
