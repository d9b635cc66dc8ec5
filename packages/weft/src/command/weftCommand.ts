/** The `weft` command: its subcommands, its help, and what an error looks like from outside. */
import { Command, CommanderError } from "commander";
import type { Finish } from "./exitCodes.ts";
import { errorText, exitCodeOf, exitCodes } from "./exitCodes.ts";
import { evalCommand } from "./eval.ts";
import { exportCommand } from "./export.ts";
import { fitCommand } from "./fit.ts";
import { joinCommand } from "./join.ts";
import { resumeCommand } from "./resume.ts";
import { runsCommand } from "./runs.ts";
import { serveCommand } from "./serve.ts";
import { simulateCommand } from "./simulate.ts";
import { abortCommand, pauseCommand, setCommand, unpauseCommand } from "./steer.ts";
import { trainCommand } from "./train.ts";
import { wrapped } from "../terminal/wrapped.ts";

/** Runs one command line; never throws. */
export async function weftCommand(args: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.success;
  const finish: Finish = (code) => (exitCode = code);
  const subcommands = [
    trainCommand,
    fitCommand,
    simulateCommand,
    serveCommand,
    joinCommand,
    runsCommand,
    resumeCommand,
    pauseCommand,
    unpauseCommand,
    setCommand,
    abortCommand,
    evalCommand,
    exportCommand,
  ];
  const program = new Command("weft")
    .description("Trains neural networks over WebSockets: on this machine, on many, and in browser tabs.")
    .version("0.1.0")
    .exitOverride()
    // What follows a subcommand is its own: `weft eval RUN --version 3` names a version of the model.
    .enablePositionalOptions()
    .addHelpText(
      "after",
      `
Exit codes: 0 finished · 2 usage · 3 job · 4 data · 5 network · 6 refused or
            without result · 7 store · 130 interrupted · 1 a defect of weft
Environment: WEFT_LOG=info, or by topics as in WEFT_LOG=round,wire:debug, writes
            structured logs to standard error`,
    );
  for (const subcommand of subcommands) program.addCommand(subcommand(finish).exitOverride());
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.success : exitCodes.usage;
    process.stderr.write(`${wrapped(`weft: ${errorText(error)}`, process.stderr.columns)}\n`);
    return exitCodeOf(error);
  }
}
