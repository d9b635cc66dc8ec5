/** `weft pause`, `unpause`, `abort` and `set`: steer a run that a coordinator holds, here or elsewhere. */
import type { RunReport } from "@weft/coordinator";
import { Command } from "commander";
import { UsageError } from "../errors.ts";
import { callRun, caOption, type ControlFlags, findControl, operatorTokenOption, urlOption } from "./control.ts";
import { exitCodes, type Finish } from "./exitCodes.ts";
import { count } from "../terminal/format.ts";
import { jsonOption, runsOption } from "./options.ts";
import { createOutput } from "../terminal/output.ts";

interface SteerFlags extends ControlFlags {
  readonly json: boolean;
}

const where = `
The coordinator is found by the run's directory under --runs; one on another
machine by --url and the operator token that it printed when it was started.`;

function steering(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument("<run>", "the run's id, or enough of its beginning to be unique")
    .addOption(runsOption())
    .addOption(urlOption())
    .addOption(operatorTokenOption("the coordinator's operator token, with --url"))
    .addOption(caOption())
    .addOption(jsonOption());
}

const plainSteering = (name: "pause" | "unpause" | "abort", description: string) => (finish: Finish) =>
  steering(name, description)
    .addHelpText("after", where)
    .action(async (prefix: string, flags: SteerFlags) => {
      const { control, run } = findControl(prefix, flags);
      show(await callRun(control, run, { method: "POST", action: name }), flags);
      finish(exitCodes.success);
    });

export const pauseCommand = plainSteering("pause", "open no further round of a run until it is unpaused");
export const unpauseCommand = plainSteering("unpause", "let a paused run go on");
export const abortCommand = plainSteering(
  "abort",
  "end a run at once; the round under way is given up, the newest version stays, and `weft resume` goes on from it",
);

export function setCommand(finish: Finish): Command {
  return steering("set", "change rules of a run while it goes on, and for when it is resumed")
    .argument("<change...>", "what to change, as NAME=VALUE")
    .addHelpText(
      "after",
      `
  learningRate=0.01     of the server's optimiser, from the next version on
  quorum=0.8, 80%       updates that close a round, as a part of its cohort
  quorum=3              the same as a number of updates; if fewer can come, all
                        of these close it, and a line says so
  deadlineMs=5000       how long a round may take; "adaptive" learns it
${where}

Examples:
  $ weft set 7f3a2c learningRate=0.003
  $ weft set 7f3a2c quorum=80% deadlineMs=adaptive`,
    )
    .action(async (prefix: string, changes: readonly string[], flags: SteerFlags) => {
      const body = parseChanges(changes);
      const { control, run } = findControl(prefix, flags);
      const report = await callRun(control, run, { method: "PATCH", body });
      show(report, flags);
      const note = "quorum" in body ? quorumNote(report) : undefined;
      if (note !== undefined) createOutput(flags).line(note);
      finish(exitCodes.success);
    });
}

/** @throws {UsageError} for what is no change */
export function parseChanges(changes: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    changes.map((change) => {
      const at = change.indexOf("=");
      const [name, text] = [change.slice(0, at), change.slice(at + 1)];
      const parse = at < 0 ? undefined : parsers[name];
      if (parse === undefined) {
        throw new UsageError(`${change}: expected NAME=VALUE with one of ${Object.keys(parsers).join(", ")}`);
      }
      return [name, parse(text)];
    }),
  );
}

const parsers: Readonly<Record<string, (text: string) => unknown>> = {
  learningRate: (text) => numberOf("learningRate", text),
  quorum: (text) => {
    if (text.endsWith("%")) return { fraction: numberOf("quorum", text.slice(0, -1)) / 100 };
    const value = numberOf("quorum", text);
    return /^\d+$/.test(text) ? { count: value } : { fraction: value };
  },
  deadlineMs: (text) => (text === "adaptive" ? text : numberOf("deadlineMs", text)),
};

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new UsageError(`${name}: a number expected, got ${JSON.stringify(text)}`);
}

function show(report: RunReport, flags: SteerFlags): void {
  const output = createOutput(flags);
  output.event({ event: "report", ...report });
  output.line(reportLine(report));
}

/** Where a run stands, in one line. */
export function reportLine({ run, name, phase, detail, version, workers, changes }: RunReport): string {
  const changed = Object.entries(changes).map(([rule, value]) => `${rule}=${changeText(value)}`);
  const standing = detail === "" ? phase : `${phase} (${detail})`;
  return [
    run,
    name,
    standing,
    `round ${count(version)}`,
    `${count(workers)} worker${workers === 1 ? "" : "s"}`,
    ...changed,
  ].join("  ");
}

/** Said where a quorum asks for more updates than can come now. */
export function quorumNote({
  changes: { quorum },
  workers,
}: Pick<RunReport, "changes" | "workers">): string | undefined {
  if (quorum === undefined || !("count" in quorum) || quorum.count <= workers) return undefined;
  const here = workers === 1 ? "is 1 worker" : `are ${count(workers)} workers`;
  return `quorum=${quorum.count}: there ${here} now; until there are more, a round closes with the updates of all of its cohort, and says so`;
}

function changeText(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  const [kind, number] = Object.entries(value)[0] ?? [];
  return kind === "fraction" ? `${100 * Number(number)}%` : String(number);
}
