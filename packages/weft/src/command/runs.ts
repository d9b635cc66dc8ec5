/** `weft runs`: what is stored, newest first. */
import type { RunSummary } from "@weft/coordinator";
import { listRuns } from "@weft/coordinator";
import { Command } from "commander";
import type { Finish } from "./exitCodes.ts";
import { exitCodes } from "./exitCodes.ts";
import { bytes, count } from "./format.ts";
import { jsonOption, runsOption } from "./options.ts";
import { createOutput } from "./output.ts";
import { metricsText } from "./runProgress.ts";

export function runsCommand(finish: Finish): Command {
  return new Command("runs")
    .description("list the stored runs, newest first")
    .addOption(runsOption())
    .addOption(jsonOption())
    .action((flags: { runs: string; json: boolean }) => {
      const output = createOutput(flags);
      const runs = listRuns(flags.runs);
      if (runs.length === 0) output.line(`no runs under ${flags.runs}; start one with: weft train JOB`);
      for (const run of runs) {
        output.event({ event: "run", ...run });
        output.line(rowOf(run));
      }
      finish(exitCodes.success);
    });
}

/** One line of at most 80 columns for names of usual length. */
function rowOf(summary: RunSummary): string {
  const { run, name, status, rounds, updatedAt, metrics, bytesUp, bytesDown } = summary;
  const when = new Date(updatedAt).toISOString().slice(0, 16).replace("T", " ");
  const { loss, ...others } = metrics;
  const shown = Object.keys(others).length > 0 || loss === undefined ? others : { loss };
  const moved = bytesUp + bytesDown === 0 ? "" : `↑ ${bytes(bytesUp)} ↓ ${bytes(bytesDown)}`;
  const parts = [run, when, status.padEnd(11), name, `${count(rounds)} rounds`, metricsText(shown), moved];
  return parts.filter(Boolean).join("  ");
}
