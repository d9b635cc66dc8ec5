/** `weft train`: coordinator and workers on this machine. */
import { Command } from "commander";
import { hostCommand } from "./hostCommand.ts";
import type { HostFlags } from "./options.ts";
import { addHostOptions, listenOptions, processesOption, workersOption } from "./options.ts";
import { createOutput } from "./output.ts";
import type { Finish } from "./exitCodes.ts";

interface TrainFlags extends HostFlags {
  readonly workers: number;
  readonly processes?: number;
}

export function trainCommand(finish: Finish): Command {
  const command = new Command("train")
    .description("train a job here: a coordinator and its workers on this machine")
    .argument("<job>", "job file: a module whose default export is made by defineJob")
    .addOption(workersOption("workers to start").default(1))
    .addOption(processesOption());
  return addHostOptions(command, { defaultPort: 0 })
    .addHelpText(
      "after",
      `
Examples:
  $ weft train examples/mnist-cnn/job.ts --workers 2
  $ weft train examples/federated-mnist/job.ts --workers 100 --processes 2
  $ weft train job.ts --json | jq 'select(.event == "round") | .loss'`,
    )
    .action(async (jobPath: string, flags: TrainFlags) => {
      const settings = {
        jobPath,
        runs: flags.runs,
        listen: listenOptions(flags),
        expectedWorkers: flags.workers,
        ownWorkers: flags.workers,
        ...(flags.processes === undefined ? {} : { processes: flags.processes }),
      };
      finish(await hostCommand(settings, createOutput(flags)));
    });
}
