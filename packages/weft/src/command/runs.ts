/** `weft runs`: what is stored, newest first, and where those stand that a coordinator holds; or what one elsewhere holds. */
import type { RunReport, RunSummary } from "@weft/coordinator";
import { listRuns } from "@weft/coordinator";
import { ConnectionError } from "@weft/transport";
import { Command } from "commander";
import { UsageError } from "../errors.ts";
import {
  callApi,
  callRun,
  caOption,
  type ControlFlags,
  controlOf,
  httpUrl,
  operatorTokenOption,
  urlOption,
} from "./control.ts";
import type { Finish } from "./exitCodes.ts";
import { exitCodes } from "./exitCodes.ts";
import { count } from "../terminal/format.ts";
import { jsonOption, runsOption } from "./options.ts";
import { createOutput, type Output } from "../terminal/output.ts";
import { metricsText } from "./runProgress.ts";
import { reportLine } from "./steer.ts";

interface RunsFlags extends ControlFlags {
  readonly json: boolean;
}

export function runsCommand(finish: Finish): Command {
  return new Command("runs")
    .description("list the stored runs, newest first, and where those under way stand")
    .addOption(runsOption())
    .addOption(urlOption())
    .addOption(operatorTokenOption("the coordinator's operator or viewer token, with --url"))
    .addOption(caOption())
    .addOption(jsonOption())
    .action(async (flags: RunsFlags) => {
      const output = createOutput(flags);
      await (flags.url === undefined ? listStored(flags, output) : listElsewhere(flags.url, flags, output));
      finish(exitCodes.success);
    });
}

async function listStored(flags: RunsFlags, output: Output): Promise<void> {
  const runs = listRuns(flags.runs);
  if (runs.length === 0) output.line(`no runs under ${flags.runs}; start one with: weft train JOB`);
  for (const run of runs) {
    const report = await reportOf(run);
    output.event({ event: "run", ...run, ...(report === undefined ? {} : { report }) });
    output.line(rowOf(run, report));
    if (report !== undefined && report.detail !== "") output.line(`        ${report.detail}`);
  }
}

/** Where a run stands; undefined when no coordinator holds it, or the one that does has no answer. */
async function reportOf({ run, status, directory }: RunSummary): Promise<RunReport | undefined> {
  const control = status === "running" ? controlOf(directory) : undefined;
  if (control === undefined) return undefined;
  try {
    return await callRun(control, run, { method: "GET" });
  } catch (error) {
    if (error instanceof ConnectionError) return undefined;
    throw error;
  }
}

async function listElsewhere(url: string, { operatorToken, ca }: RunsFlags, output: Output): Promise<void> {
  if (operatorToken === undefined) throw new UsageError("--url needs --operator-token (or WEFT_OPERATOR_TOKEN)");
  const control = { url: httpUrl(url), token: operatorToken, ...(ca === undefined ? {} : { ca }) };
  const { runs } = (await callApi(control, { method: "GET", path: "/api/runs" })) as { runs: readonly RunReport[] };
  if (runs.length === 0) output.line("no runs there");
  for (const report of runs) {
    output.event({ event: "report", ...report });
    output.line(reportLine(report));
  }
}

/** One line of at most 80 columns for names of usual length. */
function rowOf({ run, name, status, rounds, updatedAt, metrics }: RunSummary, report: RunReport | undefined): string {
  const when = new Date(updatedAt).toISOString().slice(0, 16).replace("T", " ");
  const { loss, ...others } = metrics;
  const shown = Object.keys(others).length > 0 || loss === undefined ? others : { loss };
  const standing = report === undefined ? status : report.phase === "waiting for disk" ? "waiting" : report.phase;
  return [run, when, standing.padEnd(11), name, `${count(rounds)} rounds`, metricsText(shown)]
    .filter(Boolean)
    .join("  ");
}
