/** What the log says of updates. */
import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, test } from "vitest";
import { makeJob, startRun, until, updateFor } from "./harness.ts";

type Line = Readonly<Record<string, unknown>>;

function logTo(level: "debug" | "info") {
  const lines: Line[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      lines.push(JSON.parse(chunk.toString()) as Line);
      done();
    },
  });
  return { log: pino({ level }, stream), of: (message: string) => lines.filter(({ msg }) => msg === message) };
}

const levelOf = { debug: 20, info: 30 } as const;

test("each update has one line: with its run, round, worker, codec, bytes and time, and why it was refused", async () => {
  const { log, of } = logTo("debug");
  const job = makeJob({ size: 1000, codec: { up: "int8" }, stop: { rounds: 2 } });
  const run = await startRun({ job, log });
  const worker = run.join({ automatic: false });
  await until(() => worker.of("work").length === 1);
  const work = worker.lastWork!;
  const bytes = worker.encode(await worker.values(work), work);
  worker.send(updateFor(work, { round: 7, codec: "int8" }), bytes);
  await until(() => worker.of("verdict").length === 1);
  await worker.answer(work);
  await until(() => worker.of("work").length === 2);
  await worker.answer(worker.lastWork!);
  await run.coordinator.finished;
  const about = { run: run.coordinator.run, worker: worker.worker, attempt: 0, codec: "int8", bytes: bytes.length };
  expect(of("update accepted")).toMatchObject([
    { ...about, level: levelOf.debug, round: 1, ms: 0, computeMs: 1 },
    { ...about, level: levelOf.debug, round: 2, ms: 0, computeMs: 1 },
  ]);
  expect(of("update refused")).toMatchObject([
    { ...about, level: levelOf.info, round: 7, code: "unexpected", reason: "round 7 has not been opened" },
  ]);
});

test("accepted updates say nothing to those who did not ask for details", async () => {
  const { log, of } = logTo("info");
  const run = await startRun({ job: makeJob({ size: 4, stop: { rounds: 2 } }), log });
  run.join();
  await run.coordinator.finished;
  expect(of("update accepted")).toEqual([]);
});
