/** What is counted of a coordinator and its runs for Prometheus: fed by the runs' events, sampled when asked. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Coordinator } from "../coordinator.ts";
import type { CoordinatorEvent } from "../events.ts";
import type { RunPhase } from "../run/report.ts";
import { Registry } from "./registry.ts";

export interface Metrics {
  /** Counts what happens in a run from now on. */
  watch(coordinator: Coordinator): void;
  text(): string;
  close(): void;
}

const roundSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
const phases: readonly RunPhase[] = ["gathering", "running", "paused", "waiting for disk", "ending", "ended"];
/** Codes of refusals that workers choose themselves are told apart up to so many. */
const mostCodes = 64;

export function createMetrics(runs: () => readonly Coordinator[]): Metrics {
  const registry = new Registry();
  const families = familiesOf(registry);
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const codes = new Set<string>();
  const spentMs = processorTime();
  return {
    watch(coordinator) {
      coordinator.on((event) => {
        note(families, { event, run: coordinator.run, job: coordinator.name }, codes);
      });
    },
    text() {
      sampleRuns(families, runs());
      sampleProcess(families, { histogram: delay, spentMs });
      return registry.text();
    },
    close() {
      delay.disable();
    },
  };
}

type Families = ReturnType<typeof familiesOf>;

function familiesOf(registry: Registry) {
  const counter = (name: string, help: string) => registry.counter(`weft_${name}`, help);
  const gauge = (name: string, help: string) => registry.gauge(`weft_${name}`, help);
  return {
    rounds: counter("rounds_total", "Rounds committed by this process."),
    reopened: counter("rounds_reopened_total", "Attempts at rounds that ended without an update."),
    short: counter("rounds_short_total", "Rounds closed with fewer updates than their quorum asks for, by cause."),
    seconds: registry.histogram("weft_round_seconds", "From opening a round to having it committed.", roundSeconds),
    updates: counter("updates_total", "Updates that ended, by what became of them; accepted ones are in the model."),
    examples: counter("examples_total", "Examples that the accepted updates stand for."),
    bytes: counter(
      "bytes_total",
      "Bytes on connections of workers by direction, kind of message and codec, counted at every round.",
    ),
    joined: counter("workers_joined_total", "Workers that became ready, those that came back included."),
    left: counter("workers_left_total", "Workers whose connection ended."),
    refused: counter("workers_refused_total", "Workers turned away, by code."),
    checkpoints: counter("checkpoints_total", "Versions written whole."),
    diskWaits: counter("disk_waits_total", "Times that a write had to be tried again."),
    version: gauge("version", "Newest version of the run: rounds committed."),
    workers: gauge("workers", "Workers connected and ready."),
    expected: gauge("workers_expected", "Workers that rounds wait for."),
    phase: gauge("run_phase", "1 for the phase that the run is in."),
    metric: gauge("metric", "Of the newest version: the last evaluation's, or the round's training means."),
    memory: gauge("process_memory_bytes", "Memory of the process by kind."),
    cpu: counter("process_cpu_seconds_total", "Processor time of the process."),
    uptime: gauge("process_uptime_seconds", "Since the process started."),
    delay: gauge("event_loop_delay_seconds", "How late the event loop was since the last look, by quantile."),
  };
}

function note(
  families: Families,
  { event, run, job }: { readonly event: CoordinatorEvent; readonly run: string; readonly job: string },
  codes: Set<string>,
): void {
  const of = { run, job };
  switch (event.event) {
    case "round":
      families.rounds.add(1, of);
      families.seconds.observe(event.ms / 1000, of);
      families.updates.add(event.updates, { ...of, outcome: "accepted" });
      families.examples.add(event.examples, of);
      for (const { kind, codec, bytesUp, bytesDown } of event.traffic) {
        if (bytesUp > 0) families.bytes.add(bytesUp, { ...of, direction: "up", kind, codec });
        if (bytesDown > 0) families.bytes.add(bytesDown, { ...of, direction: "down", kind, codec });
      }
      return;
    case "reopened":
      families.reopened.add(1, of);
      return;
    case "closedShort":
      families.short.add(1, { ...of, cause: event.cause });
      return;
    case "refusedUpdate":
      families.updates.add(1, { ...of, outcome: known(codes, event.code) });
      return;
    case "workerJoined":
      families.joined.add(1, of);
      return;
    case "crowdJoined":
      families.joined.add(event.came, of);
      return;
    case "workerLeft":
      families.left.add(1, of);
      return;
    case "refusedWorker":
      families.refused.add(1, { ...of, code: known(codes, event.code) });
      return;
    case "checkpoint":
      families.checkpoints.add(1, of);
      return;
    case "waitingForDisk":
      families.diskWaits.add(1, of);
      return;
    default:
  }
}

function known(codes: Set<string>, code: string): string {
  if (!codes.has(code) && codes.size >= mostCodes) return "other";
  codes.add(code);
  return code;
}

/** Milliseconds of processor time between two calls. */
function processorTime(): () => number {
  let before = 0;
  return () => {
    const { user, system } = process.cpuUsage();
    const now = (user + system) / 1000;
    const spent = now - before;
    before = now;
    return spent;
  };
}

/** Runs come and go; what is no more is shown no more. */
function sampleRuns({ version, workers, expected, phase, metric }: Families, runs: readonly Coordinator[]): void {
  for (const gauge of [version, workers, expected, phase, metric]) gauge.clear();
  for (const coordinator of runs) {
    const report = coordinator.report();
    const of = { run: report.run, job: report.name };
    version.set(report.version, of);
    workers.set(report.workers, of);
    expected.set(report.expectedWorkers, of);
    for (const name of phases) phase.set(Number(report.phase === name), { ...of, phase: name });
    for (const [name, value] of Object.entries(report.metrics)) metric.set(value, { ...of, metric: name });
  }
}

function sampleProcess(
  { memory, cpu, uptime, delay }: Families,
  {
    histogram,
    spentMs,
  }: { readonly histogram: ReturnType<typeof monitorEventLoopDelay>; readonly spentMs: () => number },
): void {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const kinds = { rss, heapTotal, heapUsed, external, arrayBuffers };
  for (const [kind, bytes] of Object.entries(kinds)) memory.set(bytes, { kind });
  cpu.add(spentMs() / 1000);
  uptime.set(process.uptime());
  for (const quantile of [0.5, 0.9, 0.99]) {
    delay.set(histogram.percentile(100 * quantile) / 1e9, { quantile: String(quantile) });
  }
  delay.set(histogram.percentile(100) / 1e9, { quantile: "1" });
  histogram.reset();
}
