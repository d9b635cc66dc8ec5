/** `weft join`: one or more workers in this process, for a coordinator anywhere. */
import { availableParallelism, hostname } from "node:os";
import { loadPath } from "@weft/data";
import { connectWebSocket } from "@weft/transport";
import type { WorkerEvent, WorkerHandle, WorkerOutcome } from "@weft/worker";
import { defaultPolicy, startWorker } from "@weft/worker";
import type { WasmBackend } from "@weft/wasm";
import { Command, Option } from "commander";
import { useEngine } from "../run/engine.ts";
import { stateFile } from "../run/stateFile.ts";
import { caOption, readPem } from "./control.ts";
import { UsageError } from "../errors.ts";
import { exitCodes } from "./exitCodes.ts";
import { bytes, count, figure } from "../terminal/format.ts";
import { collected, jsonOption, threadsOption, tokenOption, wholeNumber, workersOption } from "./options.ts";
import type { Output } from "../terminal/output.ts";
import { createOutput } from "../terminal/output.ts";
import type { Finish } from "./exitCodes.ts";

interface JoinFlags {
  readonly data?: string;
  readonly token?: string;
  readonly ca?: string;
  readonly run?: string;
  readonly name: string;
  readonly workers: number;
  readonly threads?: number;
  readonly maxMemory: number;
  readonly maxCompute?: number;
  readonly job?: readonly string[];
  readonly patience?: number;
  readonly state?: string;
  readonly stay?: boolean;
  readonly json: boolean;
  readonly child?: boolean;
}

/**
 * Where a coordinator is: the address that it printed for workers, or the one for browsers, which people have at hand.
 *
 * @throws {UsageError} for what is neither
 */
export function coordinatorAddress(text: string): string {
  const url = URL.parse(text.replace(/^http/, "ws"));
  if (url?.protocol !== "ws:" && url?.protocol !== "wss:") {
    throw new UsageError(`${text}: expected a coordinator's address, such as ws://HOST:7700`);
  }
  if (!text.startsWith("http")) return text;
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/(join)?$/, "")}`;
}

export function joinCommand(finish: Finish): Command {
  return new Command("join")
    .description("work for a coordinator")
    .argument("<url>", "its address: ws://HOST:PORT or wss://HOST:PORT")
    .option("--data <path>", "train on your own data: IDX, CSV, a folder of images, or a module; it stays here")
    .addOption(tokenOption())
    .addOption(caOption())
    .option("--run <run>", "work for this run, by id or its job's name; default: any that wants workers")
    .option("--name <name>", "how the operator sees this worker", hostname())
    .addOption(workersOption("workers to host in this process").default(1))
    .addOption(threadsOption())
    .option("--max-memory <MiB>", "refuse jobs whose steps need more", wholeNumber(1, 1e6), 2048)
    .option("--max-compute <GFLOP>", "decline orders that take more", wholeNumber(1, 1e12))
    .option("--job <name or hash>", "work for this job only; may be given several times", collected)
    .option("--patience <seconds>", "give up after so long without a coordinator; default: never", wholeNumber(0, 1e9))
    .option("--state <dir>", "keep who this worker is, and what it keeps between rounds, over restarts of this process")
    .option("--stay", "after a run has ended wait for the next one, until told to go")
    .addOption(jsonOption())
    .addOption(new Option("--child", "end when the process that started this one ends").hideHelp())
    .addHelpText(
      "after",
      `
Examples:
  $ weft join ws://192.0.2.7:7700 --token 5ecret
  $ weft join ws://localhost:7700 --data ./scans
  $ weft join wss://example.org:7700 --ca certificate.pem --run mnist
  $ weft join ws://192.0.2.7:7700 --stay    # one run after another`,
    )
    .action(async (url: string, flags: JoinFlags) => {
      const address = coordinatorAddress(url);
      const engine = useEngine({ threads: flags.threads ?? "auto" });
      const output = createOutput(flags);
      const workers = Array.from({ length: flags.workers }, (_, index) =>
        startOne(address, flags, { index, engine, output }),
      );
      stopWithSignals(workers, { child: flags.child === true, output });
      finish(exitCodeOf(await Promise.all(workers.map(({ outcome }) => outcome))));
    });
}

interface Hosting {
  readonly index: number;
  readonly engine: WasmBackend;
  readonly output: Output;
}

function startOne(url: string, flags: JoinFlags, { index, engine, output }: Hosting): WorkerHandle {
  const name = flags.workers === 1 ? flags.name : `${flags.name}#${index + 1}`;
  const { data, token, run } = flags;
  const trust = flags.ca === undefined ? {} : { ca: readPem(flags.ca) };
  return startWorker({
    connect: () => connectWebSocket(url, { accepts: "coordinator", ...trust }),
    name,
    device: `cpu (${engine.name}), ${engine.threads} of ${availableParallelism()} cores`,
    threads: engine.threads,
    policy: {
      ...defaultPolicy,
      maxMemoryBytes: flags.maxMemory * 2 ** 20,
      ...(flags.maxCompute === undefined ? {} : { maxOrderFlops: flags.maxCompute * 1e9 }),
      ...(flags.job === undefined ? {} : { jobs: flags.job }),
    },
    ...(flags.patience === undefined ? {} : { unreachableMs: flags.patience * 1000 }),
    stays: flags.stay === true,
    ...(token === undefined ? {} : { token }),
    ...(run === undefined ? {} : { run }),
    ...(flags.state === undefined ? {} : { stateStore: stateFile(flags.state, name) }),
    ...(data === undefined ? {} : { data: (contract) => loadPath(data, contract) }),
    onEvent: shower(flags.workers === 1 ? undefined : name, output),
  });
}

/** Shows events; the same reason for waiting again and again is said once, and then only in the live line. */
function shower(name: string | undefined, output: Output): (event: WorkerEvent) => void {
  let waitingFor: string | undefined;
  return (event) => {
    const isNews = event.event !== "disconnected" || event.reason !== waitingFor;
    if (event.event === "disconnected") waitingFor = event.reason;
    else if (event.event === "connected") waitingFor = undefined;
    if (isNews) show(event, name, output);
    else {
      output.event({ ...event, ...(name === undefined ? {} : { name }) });
      output.progress([{ rank: 0, text: `${name === undefined ? "" : `${name}: `}${lineOf(event) ?? ""}` }]);
    }
  };
}

function show(event: WorkerEvent, name: string | undefined, output: Output): void {
  output.event({ ...event, ...(name === undefined ? {} : { name }) });
  const prefix = name === undefined ? "" : `${name}: `;
  if (event.event === "update") {
    output.progress([
      { rank: 0, text: `${prefix}round ${event.round}` },
      { rank: 1, text: `loss ${figure(event.loss)}` },
      { rank: 2, text: `${count(event.examples)} examples in ${event.computeMs.toFixed(0)} ms` },
    ]);
    return;
  }
  if (event.event === "transfer") {
    const way = event.direction === "down" ? "receiving the model" : "sending the update";
    output.progress([{ rank: 0, text: `${prefix}${way}: ${bytes(event.bytes)} of ${bytes(event.total)}` }]);
    return;
  }
  const text = lineOf(event);
  if (text !== undefined) output.line(prefix + text);
}

function lineOf(event: Exclude<WorkerEvent, { event: "update" | "transfer" }>): string | undefined {
  switch (event.event) {
    case "connected":
      return `connected to ${event.url} as worker ${event.worker} of run ${event.run}`;
    case "prepared":
      return `job ${event.job}: ${count(event.parameters)} parameters${event.ownExamples === undefined ? "" : `, ${count(event.ownExamples)} examples of our own`}`;
    case "verdict":
      return event.accepted ? undefined : `update for round ${event.round} was refused: ${event.reason}`;
    case "declined":
      return `declined round ${event.round}: ${event.reason}`;
    case "committed":
      return undefined;
    case "evaluated":
      return `version ${event.round} on ${count(event.examples)} held-out examples: loss ${figure(event.loss)}`;
    case "stateProblem":
      return event.reason;
    case "finished":
      return `run ${event.run} is finished: ${event.reason}; waiting for the next`;
    case "disconnected":
      return `${event.reason}; trying again in ${(event.retryInMs / 1000).toFixed(1)} s`;
    case "ended":
      return endText(event.outcome);
  }
}

function endText(outcome: WorkerOutcome): string {
  switch (outcome.kind) {
    case "finished":
      return `the run is finished: ${outcome.reason}`;
    case "refused":
      return `refused: ${outcome.reason}`;
    case "unreachable":
      return `gave up: ${outcome.reason}`;
    case "stopped":
      return `left: ${outcome.reason}`;
  }
}

/**
 * The first signal lets the workers finish what they are at, or hand it back; a second ends the process. Children, whose
 * parent knows when the run is over, leave at once.
 */
function stopWithSignals(workers: readonly WorkerHandle[], how: { readonly child: boolean; readonly output: Output }) {
  const stop = (reason: string) => {
    for (const worker of workers) worker.stop(reason);
  };
  let signalled = false;
  const drain = (signal: string) => {
    if (signalled) process.exit(exitCodes.interrupted);
    signalled = true;
    if (how.child) {
      stop(signal);
      return;
    }
    how.output.line("leaving when the work at hand is done, in 10 s at the latest; once more to leave at once");
    for (const worker of workers) worker.drain(signal);
  };
  process.on("SIGINT", drain);
  process.on("SIGTERM", drain);
  if (how.child) process.on("disconnect", () => stop("the parent process ended"));
}

/** The worst of the workers' fates. */
function exitCodeOf(outcomes: readonly WorkerOutcome[]): number {
  const kinds = new Set(outcomes.map(({ kind }) => kind));
  if (kinds.has("refused")) return exitCodes.refused;
  if (kinds.has("unreachable")) return exitCodes.network;
  if (kinds.has("stopped")) return exitCodes.interrupted;
  return exitCodes.success;
}
