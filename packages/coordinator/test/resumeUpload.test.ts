/** Updates that break off and are gone on with: bits, refusals of what is not the rest, and what becomes of those left lying. */
import { memoryPair } from "@weft/transport";
import type { MessageOf } from "@weft/protocol";
import { describe, expect, it } from "vitest";
import { FakeWorker, type FakeOptions, makeJob, startRun, type TestRun, until, updateFor } from "./harness.ts";

const size = 300_000;
const chunk = 262_144;
const bits = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

interface Broken {
  readonly run: TestRun;
  readonly good: FakeWorker;
  /** Comes back with its resume token; it holds the job and version 0 no more. */
  readonly back: FakeWorker;
  readonly held: NonNullable<MessageOf<"welcome">["transfer"]> | undefined;
  readonly update: MessageOf<"update">;
  readonly bytes: Uint8Array;
}

/** Two workers in a round; the second loses its connection after some chunks of its update and comes back. */
async function breakUpload({ deadlineMs }: { readonly deadlineMs?: number } = {}): Promise<Broken> {
  const round = deadlineMs === undefined ? {} : { deadlineMs };
  const run = await startRun({ job: makeJob({ size, stop: { rounds: 1 }, round }), run: { expectedWorkers: 2 } });
  const good = run.join({ automatic: false });
  await until(() => run.of("workerJoined").length === 1);
  const other = run.join({ automatic: false });
  await until(() => good.lastWork !== undefined && other.lastWork !== undefined);
  const bytes = new Uint8Array((await other.values(other.lastWork!)).buffer);
  const update = updateFor(other.lastWork!, { transfer: { id: "t", offset: 0 } });
  const pair = other.pair!;
  other.send(update, bytes);
  while (pair.coordinator.stats.receivedBytes < 3 * chunk) await Promise.resolve();
  pair.sever();
  await until(() => run.of("workerLeft").length === 1);
  const back = comeBack(run, { automatic: false, resume: other.resume });
  await until(() => back.lastWork !== undefined);
  expect(back.worker).toBe(other.worker);
  return { run, good, back, held: back.of("welcome")[0]!.transfer, update, bytes };
}

function comeBack(run: TestRun, options: FakeOptions): FakeWorker {
  const pair = memoryPair({ clock: run.clock });
  run.coordinator.attach(pair.coordinator);
  return new FakeWorker(pair.worker, options, pair);
}

const plain = new Map<number, Promise<Buffer>>();

/** Weights after a round in which nothing broke, and one or both workers delivered. */
function undisturbed(answers: 1 | 2 = 2): Promise<Buffer> {
  const known = plain.get(answers) ?? runUndisturbed(answers);
  plain.set(answers, known);
  return known;
}

async function runUndisturbed(answers: 1 | 2): Promise<Buffer> {
  const run = await startRun({ job: makeJob({ size, stop: { rounds: 1 } }), run: { expectedWorkers: 2 } });
  const good = run.join({ automatic: false });
  await until(() => run.of("workerJoined").length === 1);
  const other = run.join({ automatic: false });
  await until(() => good.lastWork !== undefined && other.lastWork !== undefined);
  await good.answer(good.lastWork!);
  if (answers === 2) await other.answer(other.lastWork!);
  else other.send({ kind: "leave", reason: "test" });
  return bits((await run.coordinator.finished).weights);
}

const rest = ({ update, bytes, held }: Broken, changes: Partial<MessageOf<"update">> = {}) =>
  [{ ...update, transfer: { id: "t", offset: held!.bytes }, ...changes }, bytes.subarray(held!.bytes)] as const;

describe("an update whose connection broke", () => {
  it("is told in the welcome with the bytes that came of it, and its rest makes the same bits as the whole", async () => {
    const broken = await breakUpload();
    const { held, back, good, run } = broken;
    expect(held?.id).toBe("t");
    expect(held!.bytes).toBeGreaterThan(0);
    expect(held!.bytes).toBeLessThan(4 * size);
    const before = back.pair!.coordinator.stats.receivedBytes;
    back.send(...rest(broken));
    await good.answer(good.lastWork!);
    const outcome = await run.coordinator.finished;
    expect(back.pair!.coordinator.stats.receivedBytes - before).toBeLessThan(4 * size - held!.bytes + 2000);
    expect(bits(outcome.weights).equals(await undisturbed())).toBe(true);
  });

  it("may be sent from its start, and leaves no trace of its first part", async () => {
    const { update, bytes, back, good, run } = await breakUpload();
    back.send({ ...update, transfer: { id: "another", offset: 0 } }, bytes);
    await good.answer(good.lastWork!);
    expect(bits((await run.coordinator.finished).weights).equals(await undisturbed())).toBe(true);
  });

  it("is subtracted without trace when its worker does not go on before the deadline", async () => {
    const { back, good, run } = await breakUpload({ deadlineMs: 5000 });
    await good.answer(good.lastWork!);
    await until(() => good.of("verdict").length === 1);
    await run.clock.advance(6000);
    await until(() => run.of("round").length === 1);
    expect(run.of("round")[0]).toMatchObject({ updates: 1 });
    expect(back.of("verdict")).toMatchObject([{ accepted: false, code: "late" }]);
    expect(bits((await run.coordinator.finished).weights).equals(await undisturbed(1))).toBe(true);
  });

  const forgeries: readonly [string, (broken: Broken) => readonly [MessageOf<"update">, Uint8Array]][] = [
    ["the name of another transfer", (broken) => rest(broken, { transfer: { id: "u", offset: broken.held!.bytes } })],
    [
      "an offset beyond what is held",
      (broken) => rest(broken, { transfer: { id: "t", offset: broken.held!.bytes + 4 } }),
    ],
    ["an offset before what is held", (broken) => rest(broken, { transfer: { id: "t", offset: 4 } })],
    ["an offset out of all bounds", (broken) => rest(broken, { transfer: { id: "t", offset: 2 ** 50 } })],
    ["another weight than at first", (broken) => rest(broken, { weight: 1 })],
    ["other figures than at first", (broken) => rest(broken, { metrics: { loss: 0, accuracy: 0 } })],
  ];
  it.each(forgeries)("is refused by name with %s, and the round goes on as if it had never come", async (_, forge) => {
    const broken = await breakUpload();
    const { back, good, run } = broken;
    back.send(...forge(broken));
    await until(() => back.of("verdict").length === 1);
    expect(back.of("verdict")).toMatchObject([{ accepted: false, code: "transfer" }]);
    await good.answer(good.lastWork!);
    expect(bits((await run.coordinator.finished).weights).equals(await undisturbed(1))).toBe(true);
  });

  it("is refused with more bytes than are left of it", async () => {
    const broken = await breakUpload();
    const { back, update, bytes, held } = broken;
    back.send({ ...update, transfer: { id: "t", offset: held!.bytes } }, bytes.subarray(held!.bytes - 4));
    await until(() => back.of("verdict").length === 1);
    expect(back.of("verdict")).toMatchObject([{ accepted: false, code: "length" }]);
  });

  it("of another worker cannot be gone on with", async () => {
    const broken = await breakUpload();
    const { back, good, run, held, bytes } = broken;
    const forged = updateFor(good.lastWork!, { transfer: { id: "t", offset: held!.bytes } });
    good.send(forged, bytes.subarray(held!.bytes));
    await until(() => good.of("verdict").length === 1);
    expect(good.of("verdict")).toMatchObject([{ accepted: false, code: "transfer" }]);
    back.send(...rest(broken));
    await until(() => run.of("round").length === 1);
    expect(back.of("verdict")).toMatchObject([{ accepted: true }]);
  });

  it("that was replayed after it counted is acknowledged, and counted once", async () => {
    const broken = await breakUpload();
    const { back, good, run } = broken;
    back.send(...rest(broken));
    await until(() => back.of("verdict").length === 1);
    back.send(...rest(broken));
    await until(() => back.of("verdict").length === 2);
    expect(back.of("verdict").map(({ code }) => code)).toEqual(["accepted", "duplicate"]);
    await good.answer(good.lastWork!);
    expect(bits((await run.coordinator.finished).weights).equals(await undisturbed())).toBe(true);
  });
});

it("the order of an update that is late and broke off names the version it was given on, so that the rest can come", async () => {
  const round = { late: "buffer", quorum: { count: 1 }, deadlineMs: 5000 } as const;
  const run = await startRun({ job: makeJob({ size, stop: { rounds: 2 }, round }), run: { expectedWorkers: 2 } });
  const good = run.join({ automatic: false });
  await until(() => run.of("workerJoined").length === 1);
  const other = run.join({ automatic: false });
  await until(() => good.lastWork !== undefined && other.lastWork !== undefined);
  const given = other.lastWork!;
  const bytes = new Uint8Array((await other.values(given)).buffer);
  const pair = other.pair!;
  other.send(updateFor(given, { transfer: { id: "t", offset: 0 } }), bytes);
  while (pair.coordinator.stats.receivedBytes < 3 * chunk) await Promise.resolve();
  pair.sever();
  await until(() => run.of("workerLeft").length === 1);
  await good.answer(good.lastWork!);
  await until(() => run.of("round").length === 1);
  const back = comeBack(run, { automatic: false, resume: other.resume });
  await until(() => back.lastWork !== undefined);
  expect(back.lastWork).toMatchObject({ round: 1, version: 0, versionHash: given.versionHash });
  const { bytes: held } = back.of("welcome")[0]!.transfer!;
  back.send(updateFor(given, { transfer: { id: "t", offset: held } }), bytes.subarray(held));
  await until(() => back.of("verdict").length === 1);
  expect(back.of("verdict")).toMatchObject([{ accepted: true, version: 2 }]);
  await run.coordinator.abort();
});
