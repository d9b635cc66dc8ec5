/**
 * A coordinator as a process of its own that tells, as JSON lines, what every round cost it: its memory and how long its
 * event loop was held up. `coordinatorProcess.ts '{"size", "rounds", "workers", …}'`.
 */
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createCoordinator } from "@weft/coordinator";
import type { JobDocument } from "@weft/protocol";
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { plainJob } from "./plainJob.ts";
import { meterTurns } from "./turnMeter.ts";

export interface CoordinatorSetting {
  readonly size: number;
  readonly rounds: number;
  /** Rounds begin when so many are there. */
  readonly workers: number;
  readonly round?: Partial<JobDocument["round"]>;
  readonly codec?: Partial<JobDocument["codec"]>;
  /** Garbage is collected before memory is looked at. */
  readonly collects?: boolean;
  /** How long a worker whose connection broke keeps its place; default 500. */
  readonly gatherMs?: number;
  /** Runs directory; without one nothing is stored. */
  readonly directory?: string;
}

const setting = JSON.parse(process.argv[2] ?? "") as CoordinatorSetting;
const tell = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);

setBackend(createWasmBackend());
const rows = new Uint8Array(2);
const delays = monitorEventLoopDelay({ resolution: 1 });
const coordinator = await createCoordinator({
  job: plainJob(setting),
  examples: { size: 100_000, rows: (indices) => [new Uint8Array(rows.length * indices.length)] },
  run: { expectedWorkers: setting.workers, gatherMs: setting.gatherMs ?? 500 },
  listen: { port: 0, maxConnections: 4096 },
  ...(setting.directory === undefined ? {} : { store: { directory: setting.directory } }),
});
tell({ event: "listening", url: coordinator.url, ...memory() });
delays.enable();
const turns = meterTurns();
coordinator.on((event) => {
  if (event.event === "workerJoined" && event.workers === setting.workers) {
    tell({ event: "joined", turnCpuMostMs: turns().mostCpuMs });
  }
  if (event.event !== "round") return;
  const { round, updates, cohort, workers, ms } = event;
  tell({ event: "round", round, updates, cohort, workers, ms, ...memory(), ...held() });
  delays.reset();
});
const { weights, reason, rounds } = await coordinator.finished;
const bits = new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength);
tell({ event: "finished", reason, rounds, hash: hash("sha256", bits, "hex"), ...memory() });

/** In MB; the peak is the kernel's own count. */
function memory() {
  if (setting.collects === true) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  const status = readFileSync("/proc/self/status", "utf8");
  const of = (field: string) => (1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1])) / 1e6;
  return { liveMB: (heapUsed + external) / 1e6, rssMB: of("VmRSS"), peakMB: of("VmHWM") };
}

/** What the timers of this process met, beyond the millisecond they are set to. */
function held() {
  const { mostMs, mostCpuMs, p99CpuMs, usualMostCpuMs, slowTurns, slowest } = turns();
  return {
    heldP99Ms: delays.percentile(99) / 1e6 - 1,
    heldMostMs: mostMs,
    turnCpuP99Ms: p99CpuMs,
    turnCpuMostMs: mostCpuMs,
    turnCpuUsualMostMs: usualMostCpuMs,
    slowTurns,
    slowest,
  };
}
