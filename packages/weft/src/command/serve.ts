/** `weft serve`: a coordinator for workers that join from elsewhere. */
import { Command } from "commander";
import { hostCommand } from "./hostCommand.ts";
import type { HostFlags } from "./options.ts";
import { addHostOptions, listenOptions, workersOption } from "./options.ts";
import { createOutput } from "./output.ts";
import type { Finish } from "./exitCodes.ts";

interface ServeFlags extends HostFlags {
  readonly workers: number;
}

export function serveCommand(finish: Finish): Command {
  const command = new Command("serve")
    .description("coordinate a job for workers that join from other processes, machines or browsers")
    .argument("<job>", "job file: a module whose default export is made by defineJob")
    .addOption(workersOption("rounds start once so many workers are there").default(1));
  return addHostOptions(command, { defaultPort: 7700 })
    .addHelpText(
      "after",
      `
Examples:
  $ weft serve examples/mnist-cnn/job.ts --workers 2
  $ WEFT_TOKEN=$(openssl rand -hex 16) weft serve job.ts --host 0.0.0.0
Workers then run: weft join ws://HOST:7700 (or open http://HOST:7700/join)`,
    )
    .action(async (jobPath: string, flags: ServeFlags) => {
      const listen = listenOptions(flags);
      const settings = { jobPath, runs: flags.runs, listen, expectedWorkers: flags.workers, ownWorkers: 0 };
      finish(await hostCommand(settings, createOutput(flags)));
    });
}
