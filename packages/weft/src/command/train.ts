/** `weft train`: coordinator and workers on this machine. */
import { Command } from "commander";
import { hostCommand } from "./hostCommand.ts";
import type { HostFlags } from "./options.ts";
import { addHostOptions, listening, processesOption, workersOption } from "./options.ts";
import { createOutput } from "../terminal/output.ts";
import { addWatchOptions, type Watching } from "./watch.ts";
import type { Finish } from "./exitCodes.ts";

interface TrainFlags extends HostFlags, Watching {
  readonly workers: number;
  readonly processes?: number;
}

export function trainCommand(finish: Finish): Command {
  const command = new Command("train")
    .description("train a job here: a coordinator and its workers on this machine")
    .argument("<job>", "job file: a module whose default export is made by defineJob")
    .addOption(workersOption("workers to start").default(1))
    .addOption(processesOption());
  return addHostOptions(addWatchOptions(command), { defaultPort: 0 })
    .addHelpText(
      "after",
      `
Examples:
  $ weft train examples/mnist-cnn/job.ts --workers 2
  $ weft train examples/federated-mnist/job.ts --workers 100 --processes 2
  $ weft train job.ts --json | jq 'select(.event == "round") | .loss'`,
    )
    .action(async (jobPath: string, flags: TrainFlags) => {
      const { workers, processes } = flags;
      const job = {
        jobPath,
        expectedWorkers: workers,
        ownWorkers: workers,
        ...(processes === undefined ? {} : { processes }),
      };
      const { runs, durability } = flags;
      const settings = { runs, durability, listening: listening(flags), watching: flags, jobs: [job] };
      finish(await hostCommand(settings, createOutput(flags)));
    });
}
