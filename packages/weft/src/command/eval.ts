/** `weft eval`: loss and metrics of a stored version on the job's test set or on data given. */
import { loadPath } from "@weft/data";
import { Command } from "commander";
import { openModel } from "../run/storedModel.ts";
import type { Finish } from "./exitCodes.ts";
import { exitCodes } from "./exitCodes.ts";
import { count } from "../terminal/format.ts";
import { readSource } from "./runSource.ts";
import { loadJob } from "./loadJob.ts";
import { jsonOption, runsOption, wholeNumber } from "./options.ts";
import { createOutput } from "../terminal/output.ts";
import { metricsText } from "./runProgress.ts";

interface EvalFlags {
  readonly data?: string;
  readonly version?: number;
  readonly runs: string;
  readonly json: boolean;
}

export function evalCommand(finish: Finish): Command {
  return new Command("eval")
    .description("evaluate a stored run on its job's test set, or on other data")
    .argument("<run>", "the run's id, or enough of its beginning to be unique")
    .option("--data <path>", "evaluate on this: IDX, CSV, a folder of images, or a module")
    .option("--version <number>", "a version that is kept (default: the newest)", wholeNumber(0, 1e9))
    .addOption(runsOption())
    .addOption(jsonOption())
    .action(async (run: string, flags: EvalFlags) => {
      const output = createOutput(flags);
      const model = await openModel(flags.runs, run, flags.version);
      for (const warning of model.warnings) output.line(warning);
      const { document } = model.trainer.job;
      const dataset =
        flags.data === undefined
          ? (await (await loadJob((await readSource(flags.runs, run)).jobPath)).definition.data.load()).test
          : await loadPath(flags.data, document.data);
      const metrics = await model.trainer.evaluate(model.weights, dataset);
      output.event({ event: "evaluated", run: model.run, version: model.version, examples: dataset.size, metrics });
      output.line(
        `${document.name} version ${model.version} on ${count(dataset.size)} examples: ${metricsText(metrics)}`,
      );
      finish(exitCodes.success);
    });
}
