/** What `train`, `serve` and `resume` have in common: host runs, show them, end them cleanly. */
import type { Changes, Coordinator, Host, Launch, Outcome } from "@weft/coordinator";
import { createHost } from "@weft/coordinator";
import type { Logger } from "pino";
import type { Job } from "../job/defineJob.ts";
import type { JoinPageFacts } from "../page/joinHtml.ts";
import { joinPages } from "../page/joinPages.ts";
import type { HostedRun, HostOptions } from "../run/hostRun.ts";
import { hostRun, pageFacts } from "../run/hostRun.ts";
import { startWorkerProcesses } from "../run/workerProcesses.ts";
import { httpUrl, leaveControl, removeControl } from "./control.ts";
import { exitCodes } from "./exitCodes.ts";
import { count } from "../terminal/format.ts";
import { loadJob } from "./loadJob.ts";
import { createLog } from "./log.ts";
import { makeDirectory } from "./makeDirectory.ts";
import type { Listening } from "./options.ts";
import type { Output } from "../terminal/output.ts";
import { runProgress } from "./runProgress.ts";
import { type Address, rememberSource, type RunSource } from "./runSource.ts";
import { watchRuns, type Watching } from "./watch.ts";

/** One run to host: a new one, or a stored one to go on with. */
export interface RunSettings extends RunSource {
  readonly resume?: string;
}

export interface HostSettings {
  readonly runs: string;
  readonly durability: HostOptions["durability"];
  readonly listening: Listening;
  readonly watching: Watching;
  readonly jobs: readonly RunSettings[];
  /** Given, operators may start further runs of the jobs; so many workers are expected unless they say otherwise. */
  readonly launching?: { readonly expectedWorkers: number };
  /** Whether the process stays when all runs have ended. */
  readonly stays?: boolean;
}

/** Runs to the end; the result is the exit code. */
export async function hostCommand(settings: HostSettings, output: Output): Promise<number> {
  const jobs = await Promise.all(settings.jobs.map(async (run) => ({ run, job: await loadJob(run.jobPath) })));
  await makeDirectory(settings.runs, "--runs");
  const facts: JoinPageFacts[] = [];
  const { options } = settings.listening;
  const log = createLog();
  const launch = launcher(jobs, settings, (start) => runs.start(start));
  const host = await createHost({ listen: { ...options, pages: joinPages(() => facts) }, log, launch });
  const watch = watchRuns(settings.watching);
  const runs = new RunsHere({ host, settings, output, log, watch, facts });
  try {
    for (const start of jobs) await runs.start(start);
    return await untilEnded(runs, { host, settings, output });
  } finally {
    await host.close();
    watch.close();
    await runs.removeControls();
  }
}

interface Start {
  readonly run: RunSettings;
  readonly job: Job;
  readonly changes?: Changes;
}

/** What the HTTP API starts runs with: the jobs that this process loaded when it began. */
function launcher(
  jobs: readonly Start[],
  { launching }: HostSettings,
  start: (start: Start) => Promise<Coordinator>,
): Launch | undefined {
  if (launching === undefined) return undefined;
  const byName = new Map(jobs.map((known) => [known.job.definition.name, known]));
  return {
    jobs: () => [...byName.keys()],
    start(name, { expectedWorkers = launching.expectedWorkers, changes }) {
      const known = byName.get(name);
      if (known === undefined) throw new Error(`job ${name} was asked for, which is not one of those listed`);
      const { job, run } = known;
      return start({ job, changes, run: { jobPath: run.jobPath, expectedWorkers, ownWorkers: 0 } });
    },
  };
}

/** A run that is hosted, and what it was started with. */
interface Started extends HostedRun {
  readonly settings: RunSettings;
}

interface Hosting {
  readonly host: Host;
  readonly settings: HostSettings;
  readonly output: Output;
}

interface Surroundings extends Hosting {
  readonly log: Logger;
  readonly watch: ReturnType<typeof watchRuns>;
  /** Of the jobs, for the volunteers' page. */
  readonly facts: JoinPageFacts[];
}

/** The runs of this process, those that were started later included. */
class RunsHere {
  readonly all: Started[] = [];
  readonly #around: Surroundings;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  async start({ run, job, changes }: Start): Promise<Coordinator> {
    const { host, settings, log, watch, facts } = this.#around;
    const { resume, expectedWorkers } = run;
    const { runs, durability = run.durability } = settings;
    const track = watch.track();
    const hosted = await hostRun(job, {
      ...{ host, expectedWorkers, log, runs, durability, decide: track?.decide },
      ...(changes === undefined ? {} : { changes }),
      ...(resume === undefined ? {} : { resume }),
    });
    this.all.push({ ...hosted, settings: run });
    const page = pageFacts(hosted.trainer.job);
    if (!facts.some((known) => known.job === page.job)) facts.push(page);
    watch.add(hosted.coordinator, track);
    await this.#announce(hosted, run);
    return hosted.coordinator;
  }

  /** Shows the run, and leaves beside it what later commands need. */
  async #announce({ coordinator, trainer }: HostedRun, run: RunSettings): Promise<void> {
    const { host, settings, output } = this.#around;
    const { name, directory } = coordinator;
    output.line(`${name}  ${count(trainer.job.manifest.size)} parameters · run ${coordinator.run}`);
    const several = settings.jobs.length > 1 || this.all.length > 1;
    coordinator.on(
      runProgress(output, { run: coordinator.run, prefix: several ? `${name} ${coordinator.run} · ` : "" }),
    );
    if (directory === undefined) return;
    const { operatorToken, ca } = settings.listening;
    const { durability = run.durability } = settings;
    const address = addressOf(host.url, settings.listening, run);
    await rememberSource(directory, { ...run, address, ...(durability === undefined ? {} : { durability }) });
    await leaveControl(directory, {
      url: httpUrl(host.url),
      token: operatorToken,
      ...(ca === undefined ? {} : { ca }),
    });
  }

  /** Resolves when no run is under way any more, however each of them ended. */
  async ended(): Promise<PromiseSettledResult<Outcome>[]> {
    for (;;) {
      const { length } = this.all;
      const ends = await Promise.allSettled(this.all.map(({ coordinator }) => coordinator.finished));
      if (this.all.length === length) return ends;
    }
  }

  async removeControls(): Promise<void> {
    for (const { coordinator } of this.all) {
      if (coordinator.directory !== undefined) await removeControl(coordinator.directory);
    }
  }
}

async function untilEnded(runs: RunsHere, hosting: Hosting): Promise<number> {
  const { host, settings, output } = hosting;
  const signals = stopOnSignals(runs.all, output);
  const children = runs.all.map((run) => startOwnWorkers(run, hosting));
  if (settings.jobs.every(({ ownWorkers }) => ownWorkers === 0)) printInvitation(settings, host.url, output);
  try {
    // One run's end, be it a bad one, is not that of the others.
    if (settings.stays === true) await signals.came;
    const ends = await runs.ended();
    const codes = ends.map((end) => {
      if (end.status === "rejected") throw end.reason;
      return exitCodeOfOutcome(end.value);
    });
    const worst = codes.find((code) => code !== exitCodes.success) ?? exitCodes.success;
    // One that stays ends by a signal, which is as it should be when it cut nothing short.
    const isCutShort = signals.isStopping() && (settings.stays !== true || worst !== exitCodes.success);
    return isCutShort ? exitCodes.interrupted : worst;
  } finally {
    signals.ignore();
    for (const child of children) child?.stop();
    for (const child of children) await child?.exited;
  }
}

function printInvitation({ listening }: HostSettings, url: string, output: Output): void {
  const { options, operatorToken } = listening;
  const token = options.token === undefined ? "" : " --token …";
  const ca = options.tls === undefined ? "" : " --ca FILE";
  output.line(`workers: weft join ${url}${token}${ca}`);
  output.line(`browsers: ${url.replace(/^ws/, "http")}/join${options.token === undefined ? "" : "#token=…"}`);
  output.line(`operator token: ${operatorToken}  (weft pause, set, abort)`);
  if (options.tls === undefined && !/^ws:\/\/(127\.|localhost|\[::1\])/.test(url)) {
    output.line("tokens and weights can be read on their way; --tls-cert and --tls-key prevent it");
  }
}

function startOwnWorkers(
  { coordinator, settings: { ownWorkers, processes } }: Started,
  { host, settings: { listening } }: Hosting,
) {
  if (ownWorkers === 0) return undefined;
  const { token } = listening.options;
  const { ca } = listening;
  const children = startWorkerProcesses({
    url: host.url,
    workers: ownWorkers,
    run: coordinator.run,
    ...(processes === undefined ? {} : { processes }),
    ...(token === undefined ? {} : { token }),
    ...(ca === undefined ? {} : { ca }),
  });
  // Nobody else was invited: without its own workers the run would wait for ever.
  void children.exited.then((codes) =>
    coordinator.stop(`every worker process has ended (exit codes ${codes.join(", ")})`),
  );
  return children;
}

/** First signal: give up the round under way and store what is there. Second: leave at once. */
function stopOnSignals(started: readonly Started[], output: Output) {
  let signalled = false;
  const { promise: came, resolve } = Promise.withResolvers<undefined>();
  const onSignal = (signal: NodeJS.Signals) => {
    if (signalled) process.exit(exitCodes.interrupted);
    signalled = true;
    output.line(`${signal}: stopping after the round under way; once more to leave at once`);
    for (const { coordinator } of started) coordinator.stop(signal).catch(() => undefined);
    resolve(undefined);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    came,
    isStopping: () => signalled,
    ignore: () => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}

/** Where workers look for a run that goes on: the port that was taken, unless nobody but children of this process knew it. */
function addressOf(url: string, { options }: Listening, { ownWorkers }: RunSettings): Address {
  const { protocol, port } = new URL(url);
  const taken = port === "" ? (protocol === "wss:" ? 443 : 80) : Number(port);
  return { host: options.host ?? "127.0.0.1", port: ownWorkers > 0 && options.port === 0 ? 0 : taken };
}

/** Reasons that the job's own stop rule gives. */
const planned: ReadonlySet<Outcome["reason"]> = new Set(["rounds", "epochs", "target", "patience"]);

function exitCodeOfOutcome({ reason }: Outcome): number {
  return planned.has(reason) ? exitCodes.success : exitCodes.refused;
}
