/** `weft resume`: goes on with stored runs where their last committed rounds left them. */
import { Command } from "commander";
import { openRun } from "@weft/coordinator";
import { UsageError } from "../errors.ts";
import { callRun, controlOf } from "./control.ts";
import { exitCodes, type Finish } from "./exitCodes.ts";
import { hostCommand, type RunSettings } from "./hostCommand.ts";
import type { HostFlags } from "./options.ts";
import { addHostOptions, listening, workersOption } from "./options.ts";
import { createOutput } from "../terminal/output.ts";
import { readSource } from "./runSource.ts";
import { reportLine } from "./steer.ts";
import { addWatchOptions, type Watching } from "./watch.ts";

interface ResumeFlags extends HostFlags, Watching {
  readonly job?: string;
  readonly workers?: number;
}

export function resumeCommand(finish: Finish): Command {
  const command = new Command("resume")
    .description("go on with stored runs from their last committed rounds")
    .argument("<run...>", "ids of runs, or enough of their beginnings to be unique")
    .option("--job <file>", "job file to take the data from (default: the one the run was started with)")
    .addOption(workersOption("workers expected (default: as before)"));
  return addHostOptions(addWatchOptions(command), { defaultPort: "before" })
    .addHelpText(
      "after",
      `
A run started by "weft train" gets its own workers again; one started by
"weft serve" waits for its workers, which come back by themselves to where it
listened before; tokens and certificates are to be given again. A run that a
coordinator holds and has paused is unpaused.

Examples:
  $ weft runs
  $ weft resume 7f3a2c`,
    )
    .action(async (runs: readonly string[], flags: ResumeFlags) => {
      const [only = "", another] = runs;
      if (another === undefined && (await unpaused(only, flags))) {
        finish(exitCodes.success);
        return;
      }
      if (another !== undefined && flags.job !== undefined) {
        throw new UsageError("--job is for one run; resume the others by themselves");
      }
      const jobs = await Promise.all(runs.map((run) => settingsOf(run, flags)));
      const { durability } = flags;
      const address = jobs.find((job) => job.address !== undefined)?.address;
      const settings = { runs: flags.runs, durability, listening: listening(flags, address), watching: flags, jobs };
      finish(await hostCommand(settings, createOutput(flags)));
    });
}

async function settingsOf(run: string, flags: ResumeFlags): Promise<RunSettings> {
  const source = flags.job === undefined ? await readSource(flags.runs, run) : await sourceWith(flags.job, run, flags);
  const expectedWorkers = flags.workers ?? source.expectedWorkers;
  const ownWorkers = source.ownWorkers === 0 ? 0 : expectedWorkers;
  return { ...source, expectedWorkers, ownWorkers, resume: run };
}

/** A run that does not say where it came from can be resumed all the same, with the job file given. */
async function sourceWith(jobPath: string, run: string, flags: ResumeFlags) {
  const source = await readSource(flags.runs, run).catch((error: unknown) => {
    if (!(error instanceof UsageError)) throw error;
    return { expectedWorkers: 1, ownWorkers: 0 };
  });
  return { ...source, jobPath };
}

/** Whether that was all there was to do. */
async function unpaused(prefix: string, flags: ResumeFlags): Promise<boolean> {
  const { summary, directory } = openRun(flags.runs, prefix);
  const control = controlOf(directory);
  if (summary.status !== "running" || control === undefined) return false;
  const { phase } = await callRun(control, summary.run, { method: "GET" });
  if (phase !== "paused") return false;
  const report = await callRun(control, summary.run, { method: "POST", action: "unpause" });
  const output = createOutput(flags);
  output.event({ event: "report", ...report });
  output.line(reportLine(report));
  return true;
}
