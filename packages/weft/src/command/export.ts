/** `weft export`: the weights of a stored version as a safetensors file. */
import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import { openModel, weightsFile } from "../run/storedModel.ts";
import { UsageError } from "../errors.ts";
import type { Finish } from "./exitCodes.ts";
import { exitCodes } from "./exitCodes.ts";
import { bytes, count } from "../terminal/format.ts";
import { jsonOption, runsOption, wholeNumber } from "./options.ts";
import { createOutput } from "../terminal/output.ts";

interface ExportFlags {
  readonly out: string;
  readonly version?: number;
  readonly runs: string;
  readonly json: boolean;
}

export function exportCommand(finish: Finish): Command {
  return new Command("export")
    .description("write the weights of a stored run as safetensors")
    .argument("<run>", "the run's id, or enough of its beginning to be unique")
    .requiredOption("--out <file>", "where to write, such as model.safetensors")
    .option("--version <number>", "a version that is kept (default: the newest)", wholeNumber(0, 1e9))
    .addOption(runsOption())
    .addOption(jsonOption())
    .action(async (run: string, flags: ExportFlags) => {
      const output = createOutput(flags);
      const { trainer, weights, version, run: id, warnings } = await openModel(flags.runs, run, flags.version);
      for (const warning of warnings) output.line(warning);
      const file = weightsFile(trainer, weights);
      try {
        await writeFile(flags.out, file);
      } catch (cause) {
        throw new UsageError(`cannot write ${flags.out}: ${cause instanceof Error ? cause.message : String(cause)}`, {
          cause,
        });
      }
      const parameters = trainer.job.manifest.entries.length;
      output.event({ event: "exported", run: id, version, path: flags.out, bytes: file.length });
      output.line(`${flags.out}: version ${version}, ${count(parameters)} tensors, ${bytes(file.length)}`);
      finish(exitCodes.success);
    });
}
