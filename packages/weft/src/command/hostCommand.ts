/** What `train`, `serve` and `resume` have in common: host a run, show it, end it cleanly. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ListenOptions, Outcome } from "@weft/coordinator";
import { openRun } from "@weft/coordinator";
import { UsageError } from "../errors.ts";
import type { Job } from "../job/defineJob.ts";
import type { HostedRun } from "../run/hostRun.ts";
import { hostRun } from "../run/hostRun.ts";
import { startWorkerProcesses } from "../run/workerProcesses.ts";
import { exitCodes } from "./exitCodes.ts";
import { count } from "./format.ts";
import { loadJob } from "./loadJob.ts";
import { createLog } from "./log.ts";
import type { Output } from "./output.ts";
import { runProgress } from "./runProgress.ts";

export interface HostSettings {
  readonly jobPath: string;
  readonly runs: string;
  readonly listen: ListenOptions;
  /** Rounds wait for so many workers. */
  readonly expectedWorkers: number;
  /** Started here as child processes; 0 for none. */
  readonly ownWorkers: number;
  readonly processes?: number;
  readonly resume?: string;
}

/** Runs to the end; the result is the exit code. */
export async function hostCommand(settings: HostSettings, output: Output): Promise<number> {
  const job = await loadJob(settings.jobPath);
  await mkdir(settings.runs, { recursive: true });
  const hosted = await hostRun(job, {
    expectedWorkers: settings.expectedWorkers,
    listen: settings.listen,
    runs: settings.runs,
    log: createLog(),
    ...(settings.resume === undefined ? {} : { resume: settings.resume }),
  });
  const { coordinator } = hosted;
  output.line(headline(job, hosted));
  coordinator.on(runProgress(output));
  if (settings.ownWorkers === 0) printInvitation(settings, coordinator.url ?? "", output);
  if (coordinator.directory !== undefined) await rememberSource(coordinator.directory, settings);
  const interrupted = stopOnSignals(hosted, output);
  const children = startOwnWorkers(settings, hosted);
  try {
    const outcome = await coordinator.finished;
    return exitCodeOfOutcome(outcome, interrupted());
  } finally {
    children?.stop();
    await children?.exited;
  }
}

function headline(job: Job, { trainer, coordinator }: HostedRun): string {
  const { manifest } = trainer.job;
  return `${job.definition.name}  ${count(manifest.size)} parameters · run ${coordinator.run}`;
}

function printInvitation({ listen }: HostSettings, url: string, output: Output): void {
  const token = listen.token === undefined ? "" : " --token …";
  output.line(`workers: weft join ${url}${token}`);
  output.line(`browsers: ${url.replace(/^ws/, "http")}/join`);
}

function startOwnWorkers({ ownWorkers, processes, listen }: HostSettings, { coordinator }: HostedRun) {
  if (ownWorkers === 0) return undefined;
  const children = startWorkerProcesses({
    url: coordinator.url ?? "",
    workers: ownWorkers,
    ...(processes === undefined ? {} : { processes }),
    ...(listen.token === undefined ? {} : { token: listen.token }),
  });
  // Nobody else was invited: without its own workers the run would wait for ever.
  void children.exited.then((codes) =>
    coordinator.stop(`every worker process has ended (exit codes ${codes.join(", ")})`),
  );
  return children;
}

/** First signal: finish the round under way and store it. Second: leave at once. */
function stopOnSignals({ coordinator }: HostedRun, output: Output): () => boolean {
  let signalled = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (signalled) process.exit(exitCodes.interrupted);
    signalled = true;
    output.line(`${signal}: stopping after the round under way; once more to leave at once`);
    void coordinator.stop(signal);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  void coordinator.finished
    .catch(() => undefined)
    .then(() => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    });
  return () => signalled;
}

/** Ends that the job itself names. */
const planned: ReadonlySet<Outcome["reason"]> = new Set(["rounds", "epochs", "target", "patience"]);

function exitCodeOfOutcome({ reason }: Outcome, interrupted: boolean): number {
  if (interrupted) return exitCodes.interrupted;
  return planned.has(reason) ? exitCodes.success : exitCodes.refused;
}

/** What `resume` needs besides what the store holds: where the job's data comes from and who was expected. */
interface RunSource {
  readonly jobPath: string;
  readonly expectedWorkers: number;
  readonly ownWorkers: number;
  readonly processes?: number;
}

const sourceFile = "source.json";

async function rememberSource(directory: string, settings: HostSettings): Promise<void> {
  const { expectedWorkers, ownWorkers, processes } = settings;
  const source: RunSource = {
    jobPath: resolve(settings.jobPath),
    expectedWorkers,
    ownWorkers,
    ...(processes === undefined ? {} : { processes }),
  };
  await writeFile(join(directory, sourceFile), `${JSON.stringify(source, null, 2)}\n`);
}

/** @throws {UsageError} when the run was not started by this command */
export async function readSource(runs: string, run: string): Promise<RunSource> {
  const { directory } = openRun(runs, run);
  try {
    return JSON.parse(await readFile(join(directory, sourceFile), "utf8")) as RunSource;
  } catch (cause) {
    throw new UsageError(`run ${run} does not say which job file it came from; give it with --job FILE`, { cause });
  }
}
