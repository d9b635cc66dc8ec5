/** `weft resume`: goes on with a stored run where its last committed round left it. */
import { Command } from "commander";
import { hostCommand, readSource } from "./hostCommand.ts";
import type { HostFlags } from "./options.ts";
import { addHostOptions, listenOptions, workersOption } from "./options.ts";
import { createOutput } from "./output.ts";
import type { Finish } from "./exitCodes.ts";

interface ResumeFlags extends HostFlags {
  readonly job?: string;
  readonly workers?: number;
}

export function resumeCommand(finish: Finish): Command {
  const command = new Command("resume")
    .description("go on with a stored run from its last committed round")
    .argument("<run>", "the run's id, or enough of its beginning to be unique")
    .option("--job <file>", "job file to take the data from (default: the one the run was started with)")
    .addOption(workersOption("workers expected (default: as before)"));
  return addHostOptions(command, { defaultPort: 7700 })
    .addHelpText(
      "after",
      `
A run started by "weft train" gets its own workers again; one started by
"weft serve" waits for its workers, which come back by themselves.

Examples:
  $ weft runs
  $ weft resume 7f3a2c`,
    )
    .action(async (run: string, flags: ResumeFlags) => {
      const source = await readSource(flags.runs, run);
      const expectedWorkers = flags.workers ?? source.expectedWorkers;
      const settings = {
        jobPath: flags.job ?? source.jobPath,
        runs: flags.runs,
        listen: listenOptions(flags),
        expectedWorkers,
        ownWorkers: source.ownWorkers === 0 ? 0 : expectedWorkers,
        resume: run,
        ...(source.processes === undefined ? {} : { processes: source.processes }),
      };
      finish(await hostCommand(settings, createOutput(flags)));
    });
}
