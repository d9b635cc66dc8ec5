/** `weft simulate`: a job with virtual workers, in virtual time, on this machine. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { usualMachines, type MachineModel, type SimulatedRound } from "@weft/simulator";
import { Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import type { JobDefinition } from "../job/defineJob.ts";
import { resultData, resultPlot, resultTable, valueOf } from "../simulate/report.ts";
import { runSimulations } from "../simulate/runSimulations.ts";
import { remainingTime } from "../simulate/remaining.ts";
import { readStays } from "../simulate/stays.ts";
import { knobs, numberIn, parseVariation, variants, type Named, type Variation } from "../simulate/settings.ts";
import type { Finish } from "./exitCodes.ts";
import { exitCodes } from "./exitCodes.ts";
import { bytes, count, duration, metric as metricText } from "../terminal/format.ts";
import { loadJob } from "./loadJob.ts";
import { makeDirectory } from "./makeDirectory.ts";
import { collected, jsonOption, threadsOption, wholeNumber, workersOption } from "./options.ts";
import { createOutput, type Output } from "../terminal/output.ts";

interface SimulateFlags {
  readonly workers: number;
  readonly rounds?: number;
  readonly partition?: string;
  readonly vary?: readonly string[];
  readonly evaluateEvery?: number;
  readonly metric?: string;
  readonly exampleMs: number;
  readonly spread: number;
  readonly up: number;
  readonly down: number;
  readonly latency: number;
  readonly availability: number;
  readonly stay: number;
  readonly stays?: string;
  readonly seed: number;
  readonly threads?: number;
  readonly out?: string;
  readonly json: boolean;
}

/** Options about machines, which are numbers within bounds. */
const machineOptions = [
  ["--example-ms <ms>", "training on one example takes the median machine", usualMachines.exampleMs, { above: 0 }],
  ["--spread <sigma>", "log-normal spread of speeds, 0 for none", usualMachines.spread, { least: 0, most: 5 }],
  ["--up <Mbit/s>", "bandwidth of each worker upwards", 10, { above: 0 }],
  ["--down <Mbit/s>", "and downwards", 50, { above: 0 }],
  ["--latency <ms>", "one way", usualMachines.latencyMs, { least: 0 }],
  ["--availability <share>", "of the time a worker is there", 1, { above: 0, most: 1 }],
  ["--stay <seconds>", "how long it stays then, on average", usualMachines.stayMs / 1000, { above: 0 }],
] as const;

const knobHelp = Object.entries(knobs)
  .map(([name, { help }]) => `  ${name.padEnd(13)} ${help}`)
  .join("\n");

export function simulateCommand(finish: Finish): Command {
  const command = new Command("simulate")
    .description("train jobs with virtual workers in virtual time, and compare them")
    .argument("<job...>", "job files: modules whose default export is made by defineJob")
    .addOption(workersOption("virtual workers").argParser(wholeNumber(1, 10_000_000)).default(100))
    .option("--rounds <count>", "end after so many (default: as the job says)", wholeNumber(1, 1e9))
    .option("--partition <rule>", "how data is shared out (default: as the job says)")
    .option("--vary <knob=values>", "run with each value, as in cohort=0.1,0.3; several multiply", collected)
    .option("--evaluate-every <rounds>", "measure so often (default: as the job says, or 1)", wholeNumber(1, 1e9))
    .option("--metric <name>", "shown and plotted (default: the job's first, or loss)");
  for (const [flags, description, value, bounds] of machineOptions) {
    const name = flags.split(" ", 1)[0] ?? flags;
    command.addOption(new Option(flags, description).default(value).argParser((text) => numberIn(name, text, bounds)));
  }
  return command
    .option(
      "--stays <file>",
      "when machines are there: lines of MACHINE,FROM,TO in seconds, which begin again at the end",
    )
    .option("--seed <number>", "of the machines: their speeds, their comings and goings", wholeNumber(0, 2 ** 52), 0)
    .addOption(threadsOption())
    .option("--out <dir>", "write results.json and plot.svg here")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      `
Knobs of --vary:
${knobHelp}

Examples:
  $ weft simulate examples/federated-mnist/job.ts --workers 1000 --out results
  $ weft simulate job.ts --vary partition=iid,shards:2,dirichlet:0.3 --rounds 50
  $ weft simulate fedavg.ts fedbuff.ts --spread 1 --availability 0.7
  $ weft simulate job.ts --json | jq 'select(.event == "round") | .loss'`,
    )
    .action(async (paths: readonly string[], flags: SimulateFlags) => {
      finish(await simulateJobs(paths, flags));
    });
}

async function simulateJobs(paths: readonly string[], flags: SimulateFlags): Promise<number> {
  const output = createOutput({ json: flags.json });
  const variations = (flags.vary ?? []).map(parseVariation);
  const jobs = await Promise.all(paths.map((path) => loadJob(path)));
  const runs = jobs.flatMap(({ definition }) => namedRuns(definition, { jobs: jobs.length, variations, flags }));
  const metric = metricOf(
    jobs.map(({ definition }) => definition),
    flags.metric,
  );
  if (flags.out !== undefined) await makeDirectory(flags.out, "--out");
  const interruption = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (interruption.signal.aborted) process.exit(exitCodes.interrupted);
    output.line(`${name}: stopping after the round under way; once more to leave at once`);
    interruption.abort(name);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  try {
    output.line(`${runs.length} run${runs.length === 1 ? "" : "s"} · ${count(flags.workers)} workers`);
    const results = await runSimulations(runs, {
      threads: flags.threads ?? "auto",
      seed: flags.seed,
      signal: interruption.signal,
      onRound: progress(output, { runs, metric }),
    });
    for (const line of resultTable(results, metric)) output.line(line);
    for (const { name, simulation } of results) {
      const { reason, detail, metrics } = simulation.outcome;
      output.event({ event: "finished", run: name, reason, detail, metrics, rounds: simulation.rounds.length });
      if (reason === "failed" || reason === "stopped") output.line(`${name}: ${reason}: ${detail}`);
    }
    if (flags.out !== undefined) {
      await writeFile(join(flags.out, "results.json"), `${JSON.stringify(resultData(results), null, 1)}\n`);
      await writeFile(join(flags.out, "plot.svg"), resultPlot(results, metric));
      output.line(`${join(flags.out, "plot.svg")} · ${join(flags.out, "results.json")}`);
    }
    if (interruption.signal.aborted) return exitCodes.interrupted;
    return results.some(({ simulation }) => simulation.outcome.reason === "failed")
      ? exitCodes.refused
      : exitCodes.success;
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}

function namedRuns(
  definition: JobDefinition,
  about: { readonly jobs: number; readonly variations: readonly Variation[]; readonly flags: SimulateFlags },
): Named[] {
  const { flags, variations } = about;
  const every = flags.evaluateEvery ?? definition.round.evaluation?.every ?? 1;
  const evaluation = { on: "coordinator", ...definition.round.evaluation, every } as const;
  const adapted: JobDefinition = {
    ...definition,
    round: { ...definition.round, evaluation },
    stop: flags.rounds === undefined ? definition.stop : { rounds: flags.rounds },
  };
  const base = { definition: adapted, workers: flags.workers, machines: machinesOf(flags) };
  const given = flags.partition === undefined ? [] : [{ knob: "partition", values: [flags.partition] }];
  return variants(base, [...given, ...variations]).map(({ name, settings }) => {
    const whole = about.jobs > 1 || name === "" ? [definition.name, name].filter(Boolean).join(", ") : name;
    return { name: whole, settings };
  });
}

function machinesOf({ exampleMs, spread, up, down, latency, availability, stay, stays }: SimulateFlags): MachineModel {
  const bytesPerMs = (megabits: number) => (megabits * 1e6) / 8000;
  return {
    exampleMs,
    spread,
    upBytesPerMs: bytesPerMs(up),
    downBytesPerMs: bytesPerMs(down),
    latencyMs: latency,
    availability,
    stayMs: 1000 * stay,
    ...(stays === undefined ? {} : { stays: readStays(stays) }),
  };
}

function metricOf(definitions: readonly JobDefinition[], wanted: string | undefined): string {
  const known = [...new Set(definitions.flatMap(({ metrics = {} }) => Object.keys(metrics))), "loss"];
  if (wanted !== undefined && !known.includes(wanted)) {
    throw new UsageError(`--metric ${wanted}: the job reports ${known.join(", ")}`);
  }
  return wanted ?? known[0] ?? "loss";
}

/** The live line: which run, how far, how good, how long it would have taken, and how long it still takes here. */
function progress(
  output: Output,
  { runs, metric }: { readonly runs: readonly Named[]; readonly metric: string },
): (name: string, round: SimulatedRound) => void {
  const totals = runs.map(({ settings }) => settings.definition.stop.rounds);
  const remaining = remainingTime(totals);
  return (name, round) => {
    output.event({ event: round.evaluated === undefined ? "round" : "evaluated", run: name, ...round });
    const place = runs.findIndex((run) => run.name === name);
    const value = valueOf(round, metric);
    const total = totals[place];
    const left = remaining(place, round.round);
    output.progress([
      ...(runs.length === 1 ? [] : [{ rank: 3, text: `run ${place + 1}/${runs.length}` }]),
      { rank: 6, text: name },
      { rank: 0, text: `round ${round.round}${total === undefined ? "" : `/${total}`}` },
      ...(value === undefined ? [] : [{ rank: 1, text: metricText(metric, value) }]),
      { rank: 4, text: `virtual time ${duration(round.timeMs / 1000)}` },
      { rank: 5, text: `↑ ${bytes(round.bytesUp)} ↓ ${bytes(round.bytesDown)}` },
      ...(left === undefined ? [] : [{ rank: 2, text: `${duration(left)} left` }]),
    ]);
  };
}
