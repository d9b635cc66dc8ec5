/** A coordinator in a process of its own, with two honest workers whose rounds go on whatever others do to its port. */
import { memoryPair } from "@weft/transport";
import { createCoordinator } from "../../src/index.ts";
import { examples, FakeWorker, makeJob } from "../harness.ts";

export interface HostReport {
  readonly rounds: number;
  /** Since the last report. */
  readonly peakBytes: number;
  readonly longestGapMs: number;
  readonly unhandled: readonly string[];
  readonly prototypeKeys: readonly string[];
}

const unhandled: string[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(String(reason)));
process.on("uncaughtException", (error) => unhandled.push(String(error)));

const coordinator = await createCoordinator({
  job: makeJob({ size: 7000, stop: { rounds: 1_000_000 } }),
  examples,
  listen: { port: 0, token: "secret", maxConnections: 200 },
  run: { expectedWorkers: 2, gatherMs: 300 },
});
let rounds = 0;
let lastRoundMs = performance.now();
let longestGapMs = 0;
coordinator.on(({ event }) => {
  if (event !== "round") return;
  rounds += 1;
  longestGapMs = Math.max(longestGapMs, performance.now() - lastRoundMs);
  lastRoundMs = performance.now();
});

for (let index = 0; index < 2; index++) {
  const pair = memoryPair();
  coordinator.attach(pair.coordinator);
  const worker = new FakeWorker(pair.worker, { automatic: false, token: "secret" }, pair);
  let answered = 0;
  setInterval(() => {
    const work = worker.lastWork;
    if (work === undefined || work.round <= answered) return;
    answered = work.round;
    // What it was sent before is no memory of the coordinator's.
    for (const kept of [worker.bases, worker.encoded, worker.answers]) {
      for (const version of kept.keys()) if (version < work.version) kept.delete(version);
    }
    worker.seen.splice(0, worker.seen.length - 2);
    worker.answer(work).catch((error: unknown) => unhandled.push(String(error)));
  }, 20);
}

let peakBytes = 0;
setInterval(() => (peakBytes = Math.max(peakBytes, process.memoryUsage.rss())), 5);
process.on("message", () => {
  const report: HostReport = {
    rounds,
    peakBytes,
    longestGapMs,
    unhandled,
    prototypeKeys: Reflect.ownKeys(Object.prototype).map(String),
  };
  process.send?.(report);
  peakBytes = process.memoryUsage.rss();
  longestGapMs = 0;
});
process.on("disconnect", () => process.exit(0));
process.send?.(coordinator.url);
