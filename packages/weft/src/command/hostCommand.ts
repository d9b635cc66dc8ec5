/** What `train`, `serve` and `resume` have in common: host runs, show them, end them cleanly. */
import { mkdir } from "node:fs/promises";
import type { Host, Outcome } from "@weft/coordinator";
import { createHost } from "@weft/coordinator";
import type { Job } from "../job/defineJob.ts";
import type { JoinPageFacts } from "../page/joinHtml.ts";
import { joinPages } from "../page/joinPages.ts";
import type { HostedRun, HostOptions } from "../run/hostRun.ts";
import { hostRun, pageFacts } from "../run/hostRun.ts";
import { startWorkerProcesses } from "../run/workerProcesses.ts";
import { httpUrl, leaveControl, removeControl } from "./control.ts";
import { exitCodes } from "./exitCodes.ts";
import { count } from "./format.ts";
import { loadJob } from "./loadJob.ts";
import { createLog } from "./log.ts";
import type { Listening } from "./options.ts";
import type { Output } from "./output.ts";
import { runProgress } from "./runProgress.ts";
import { rememberSource, type RunSource } from "./runSource.ts";
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
}

/** A run that is hosted, and what it was started with. */
interface Started extends HostedRun {
  readonly job: Job;
  readonly settings: RunSettings;
}

/** Runs to the end; the result is the exit code. */
export async function hostCommand(settings: HostSettings, output: Output): Promise<number> {
  const jobs = await Promise.all(settings.jobs.map(async (run) => ({ run, job: await loadJob(run.jobPath) })));
  await mkdir(settings.runs, { recursive: true });
  const facts: JoinPageFacts[] = [];
  const { options } = settings.listening;
  const log = createLog();
  const host = await createHost({ listen: { ...options, pages: joinPages(() => facts) }, log });
  const started: Started[] = [];
  const watch = watchRuns(settings.watching);
  try {
    for (const { run, job } of jobs) {
      const { resume, expectedWorkers } = run;
      const track = watch.track();
      const hosted = await hostRun(job, {
        ...{ host, expectedWorkers, log, runs: settings.runs, durability: settings.durability, decide: track?.decide },
        ...(resume === undefined ? {} : { resume }),
      });
      started.push({ ...hosted, job, settings: run });
      facts.push(pageFacts(hosted.trainer.job));
      watch.add(hosted.coordinator, track);
      await announce(started.at(-1), { host, settings, output });
    }
    return await untilEnded(started, { host, settings, output });
  } finally {
    await host.close();
    watch.close();
    for (const { coordinator } of started) {
      if (coordinator.directory !== undefined) await removeControl(coordinator.directory);
    }
  }
}

interface Hosting {
  readonly host: Host;
  readonly settings: HostSettings;
  readonly output: Output;
}

/** Shows the run, and leaves beside it what later commands need. */
async function announce(started: Started | undefined, { host, settings, output }: Hosting): Promise<void> {
  if (started === undefined) return;
  const { coordinator, trainer, job, settings: run } = started;
  const { name } = job.definition;
  output.line(`${name}  ${count(trainer.job.manifest.size)} parameters · run ${coordinator.run}`);
  const several = settings.jobs.length > 1;
  coordinator.on(runProgress(output, { run: coordinator.run, prefix: several ? `${name} ${coordinator.run} · ` : "" }));
  const { directory } = coordinator;
  if (directory !== undefined) {
    const { operatorToken, ca } = settings.listening;
    await rememberSource(directory, run);
    await leaveControl(directory, {
      url: httpUrl(host.url),
      token: operatorToken,
      ...(ca === undefined ? {} : { ca }),
    });
  }
}

async function untilEnded(started: readonly Started[], hosting: Hosting): Promise<number> {
  const { host, settings, output } = hosting;
  const interrupted = stopOnSignals(started, output);
  const children = started.map((run) => startOwnWorkers(run, hosting));
  if (settings.jobs.every(({ ownWorkers }) => ownWorkers === 0)) printInvitation(settings, host.url, output);
  try {
    // One run's end, be it a bad one, is not that of the others.
    const ends = await Promise.allSettled(started.map(({ coordinator }) => coordinator.finished));
    const codes = ends.map((end) => {
      if (end.status === "rejected") throw end.reason;
      return exitCodeOfOutcome(end.value, interrupted());
    });
    return codes.find((code) => code !== exitCodes.success) ?? exitCodes.success;
  } finally {
    for (const child of children) child?.stop();
    for (const child of children) await child?.exited;
  }
}

function printInvitation({ listening }: HostSettings, url: string, output: Output): void {
  const { options, operatorToken } = listening;
  const token = options.token === undefined ? "" : " --token …";
  const ca = options.tls === undefined ? "" : " --ca FILE";
  output.line(`workers: weft join ${url}${token}${ca}`);
  output.line(`browsers: ${url.replace(/^ws/, "http")}/join`);
  output.line(`operator token: ${operatorToken}  (weft pause, unpause, set, abort)`);
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
function stopOnSignals(started: readonly Started[], output: Output): () => boolean {
  let signalled = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (signalled) process.exit(exitCodes.interrupted);
    signalled = true;
    output.line(`${signal}: stopping after the round under way; once more to leave at once`);
    for (const { coordinator } of started) coordinator.stop(signal).catch(() => undefined);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  void Promise.allSettled(started.map(({ coordinator }) => coordinator.finished)).then(() => {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  });
  return () => signalled;
}

/** Reasons that the job's own stop rule gives. */
const planned: ReadonlySet<Outcome["reason"]> = new Set(["rounds", "epochs", "target", "patience"]);

function exitCodeOfOutcome({ reason }: Outcome, interrupted: boolean): number {
  if (interrupted) return exitCodes.interrupted;
  return planned.has(reason) ? exitCodes.success : exitCodes.refused;
}
