/** `weft serve`: a coordinator of one job or several, for workers that join from elsewhere. */
import { Command } from "commander";
import { hostCommand } from "./hostCommand.ts";
import type { HostFlags } from "./options.ts";
import { addHostOptions, listening, usualPort, workersOption } from "./options.ts";
import { createOutput } from "../terminal/output.ts";
import { addWatchOptions, type Watching } from "./watch.ts";
import type { Finish } from "./exitCodes.ts";

interface ServeFlags extends HostFlags, Watching {
  readonly workers: number;
  readonly stay?: boolean;
}

export function serveCommand(finish: Finish): Command {
  const command = new Command("serve")
    .description("coordinate jobs for workers that join from other processes, machines or browsers")
    .argument("<job...>", "job files: modules whose default exports are made by defineJob")
    .addOption(workersOption("rounds start once so many workers are there, for each job").default(1))
    .option("--stay", "go on when all runs have ended: the HTTP API starts further ones");
  return addHostOptions(addWatchOptions(command), { defaultPort: usualPort })
    .addHelpText(
      "after",
      `
Examples:
  $ weft serve examples/mnist-cnn/job.ts --workers 2
  $ WEFT_TOKEN=$(openssl rand -hex 16) weft serve job.ts --host 0.0.0.0
  $ weft serve job.ts --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
  $ weft serve mnist.ts digits.ts     # two runs behind one port
  $ curl -H "Authorization: Bearer $TOKEN" http://HOST:7700/api/runs \\
      -d '{"job": "mnist", "learningRate": 0.01}'     # and another one
Workers then run: weft join ws://HOST:7700 (or open http://HOST:7700/join).
The HTTP API, its routes and metrics are described in the coordinator's README.`,
    )
    .action(async (paths: readonly string[], flags: ServeFlags) => {
      const jobs = paths.map((jobPath) => ({ jobPath, expectedWorkers: flags.workers, ownWorkers: 0 }));
      const { runs, durability, stay: stays = false, workers: expectedWorkers } = flags;
      const settings = { runs, durability, listening: listening(flags), watching: flags, jobs };
      finish(await hostCommand({ ...settings, launching: { expectedWorkers }, stays }, createOutput(flags)));
    });
}
