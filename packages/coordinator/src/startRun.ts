/** Puts a run together from its job, its data and its store, and starts it. */
import { hash } from "node:crypto";
import { limitsFor, type PayloadLimits } from "@weft/protocol";
import { type Clock, systemClock } from "@weft/transport";
import { type Logger, pino } from "pino";
import { type Admission, createAdmission } from "./admission.ts";
import type { Coordinator } from "./coordinator.ts";
import { CoordinatorOptionsError } from "./errors.ts";
import { createEvents } from "./eventLog.ts";
import type { CoordinatorListener } from "./events.ts";

import { initialWeights } from "./model/initialWeights.ts";
import { layoutOf } from "./model/layout.ts";
import { ServerModel } from "./model/serverModel.ts";
import type { CoordinatorOptions } from "./options.ts";
import { planOf, type PreparedJob, prepareJob } from "./prepareJob.ts";
import { changedPlan, resumedState } from "./round/durable.ts";
import { withMetrics } from "./round/ending.ts";
import { isEvaluatedHere } from "./round/plan.ts";
import { type Changes, initialState, type RunState } from "./round/state.ts";
import { checkChanges } from "./changes.ts";
import { step } from "./round/step.ts";
import { Committer } from "./run/committer.ts";
import { Run } from "./run/run.ts";
import { encodeBroadcastInTurns } from "./versions/broadcast.ts";
import { serveExamples } from "./session/examples.ts";
import { createIdentities } from "./session/identities.ts";
import { Patience } from "./store/patience.ts";
import { newRunId } from "./store/createRun.ts";
import { type OpenedStore, openStore, storedStart } from "./store/openStore.ts";
import { optionsToStore, withStored } from "./store/storedOptions.ts";

export const heartbeatMs = 5000;

/** A run that has started, for those who bring it workers. */
export interface StartedRun {
  readonly coordinator: Coordinator;
  readonly live: Run;
  readonly limits: PayloadLimits;
}

/** Where a run is hosted. */
export interface Hosting {
  /** ws:// or wss:// address that its workers come to. */
  readonly url: string | undefined;
  readonly admission: Admission;
  /** Aborted when there will be no host for a run that is still beginning. */
  readonly signal?: AbortSignal | undefined;
  /** Called when its last connection is closed, before it is settled. */
  readonly release: () => Promise<void>;
}

const nowhere: Hosting = { url: undefined, admission: createAdmission({}), release: () => Promise.resolve() };

/** Starts a run, or goes on with a stored one; `given.listen` is for others to heed. */
export async function startRun(given: CoordinatorOptions, hosting: Hosting = nowhere): Promise<StartedRun> {
  const resume = given.store?.resume;
  const stored = resume === undefined || !given.store ? undefined : storedStart(given.store.directory, resume);
  const options = stored === undefined ? given : withStored(given, stored.options);
  const run = stored?.run ?? newRunId();
  const log = (options.log ?? pino({ level: "silent" })).child({ run });
  const clock = options.run?.clock ?? systemClock;
  // Children by topic, so that an operator can ask for one of them alone.
  const events = createEvents(log.child({ topic: "round" }));
  const { opened, prepared, live } = await assemble(options, {
    run,
    stored: stored?.encoded,
    log: log.child({ topic: "wire" }),
    clock,
    emit: events.emit,
    hosting,
  });
  const { changes } = options.run ?? {};
  if (changes !== undefined && stored === undefined) await beginWith(changes, live);
  if (opened?.resumed !== undefined) {
    const { version, checkpoint, warnings } = opened.resumed;
    events.emit({ event: "recovered", run, version, checkpoint, warnings });
  }
  if (hosting.url !== undefined) events.emit({ event: "listening", url: hosting.url, run });
  live.closeAlso(hosting.release);
  // Whoever called has the chance to listen before the first event.
  setImmediate(() => {
    live.dispatch({ kind: "tick" });
  });
  const coordinator = control(live, { url: hosting.url, run, prepared, directory: opened?.store.directory, events });
  return { coordinator, live, limits: limitsFor({ parameters: prepared.manifest.size }) };
}

/** Rules otherwise than the job says: a run for which they cannot be written down does not begin. */
async function beginWith(changes: Changes, live: Run): Promise<void> {
  try {
    live.operate({ kind: "change", changes });
  } catch (error) {
    await live.abort();
    throw error;
  }
}

interface Facts extends Pick<Coordinator, "url" | "run" | "directory"> {
  readonly prepared: PreparedJob;
  readonly events: ReturnType<typeof createEvents>;
}

function control(live: Run, { url, run, directory, prepared, events }: Facts): Coordinator {
  const { name, round } = prepared.job.document;
  return {
    url,
    run,
    name,
    directory,
    on: events.on,
    attach: (connection) => {
      live.attach(connection);
    },
    attachCrowd: (entrance, size) => live.attachCrowd(entrance, size),
    report: () => live.report(),
    pause: () => {
      live.operate({ kind: "pause" });
    },
    unpause: () => {
      live.operate({ kind: "unpause" });
    },
    change(changes) {
      checkChanges(changes, round);
      live.operate({ kind: "change", changes });
    },
    finished: live.finished,
    stop(reason) {
      live.stop(reason);
      return live.finished;
    },
    abort: () => live.abort(),
  };
}

interface Surroundings {
  readonly run: string;
  /** The job of a stored run. */
  readonly stored: Uint8Array | undefined;
  readonly hosting: Hosting;
  readonly log: Logger;
  readonly clock: Clock;
  readonly emit: (event: Parameters<CoordinatorListener>[0]) => void;
}

async function assemble(
  options: CoordinatorOptions,
  { run, stored, log, clock, emit, hosting: { admission, signal } }: Surroundings,
) {
  const prepared = prepareJob(stored ?? givenJob(options));
  const { encoded, job, manifest, codecs, uploads, room } = prepared;
  const { document } = job;
  if (document.round.evaluation?.on === "coordinator" && options.evaluate === undefined) {
    throw new CoordinatorOptionsError("the job wants versions evaluated on the coordinator; give `evaluate`");
  }
  const { changes } = options.run ?? {};
  if (changes !== undefined) checkChanges(changes, document.round);
  const examples = serveExamples(document, options);
  const layout = layoutOf(document, manifest);
  const weights = await initialWeights(job, manifest, { flat: room?.version, signal });
  const model = await ServerModel.create(document.round.server, weights, { layout, room });
  const opened =
    options.store &&
    (await openStore({ ...options.store, nowMs: () => clock.now() }, model, {
      run,
      resume: stored !== undefined,
      name: document.name,
      job: encoded,
      manifest,
      weighting: document.round.weighting,
      hash: async () => (await encodeBroadcastInTurns(0, model.weights, codecs.down)).hash,
      options: optionsToStore(options),
    }));
  const store = opened?.store;
  const { version = 0, last } = opened?.resumed ?? {};
  const { evaluate } = options;
  const metrics = last?.metrics ?? {};
  const patience = new Patience({
    clock,
    onWait: (reason, retryInMs) => {
      emit({ event: "waitingForDisk", reason, retryInMs });
    },
    onBack: (waitedMs) => {
      emit({ event: "diskIsBack", waitedMs });
    },
  });
  const broadcast = await encodeBroadcastInTurns(version, model.weights, codecs.down);
  uploads.reserve();
  const committer = new Committer({
    ...{ document, codec: codecs.down, model, uploads, store, patience, evaluate, broadcast, metrics },
    onPostponed: (postponed, reason) => {
      emit({ event: "checkpointPostponed", version: postponed, reason });
    },
  });
  const identities = createIdentities(store);
  const starting = startingState(options, prepared, opened, clock.now());
  // The round was committed, but what came of its evaluation died with the process.
  const isMeasured = version > 0 && isEvaluatedHere(starting.plan, version);
  const state = isMeasured ? withMetrics(starting, (await committer.evaluate()) ?? {}) : starting;
  const live = new Run({
    run,
    name: document.name,
    state,
    committer,
    uploads,
    decide: options.run?.decide ?? step,
    session: {
      run,
      job: encoded,
      jobHash: hash("sha256", encoded, "hex"),
      codecs: [document.codec.up.kind, document.codec.down.kind],
      servesExamples: document.examples > 0,
      admission,
      heartbeatMs,
      clock,
      identities,
      examples,
      log,
    },
    emit,
  });
  return { opened, prepared, live };
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
  const expected = options.run?.expectedWorkers ?? 1;
  if (resumed === undefined) return initialState(plan, expected);
  if (resumed.last === undefined) {
    const { changes = {}, paused } = resumed;
    return { ...initialState(changedPlan(plan, changes), expected), changes, paused };
  }
  const { version, workers, last, changes, paused } = resumed;
  return { ...resumedState(plan, { version, progress: last.progress, changes, workers, nowMs }), paused };
}
