/** What breaks off is gone on with, and what is held is not sent again: jobs, versions and updates over several connections. */
import { setBackend } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { type CodecMemory, createManifest, encodeVector, openCodec } from "@weft/vector";
import { checkJob, createTrainer } from "@weft/worker";
import { beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../src/hash.ts";
import { largeTrainer } from "./largeTrainer.ts";
import { type Script, scripted, start, welcome, welcomeMessage, work } from "./script.ts";
import { linearData, linearJob } from "./testJob.ts";

const chunk = 262_144;
const elements = 1_000_000;
const base = Float32Array.from({ length: elements }, (_, i) => Math.sin(i));
const baseBytes = new Uint8Array(base.buffer);
const doubled = new Uint8Array(base.map((value) => 2 * value).buffer);
const own = { kind: "gradient", examples: { kind: "own", seed: 5, position: 0, count: 4 }, seed: 9 } as const;
const endless = { unreachableMs: Infinity, random: () => 0, data: () => Promise.resolve(linearData(8)) };

beforeAll(() => setBackend(createReferenceBackend()));

async function sendBase(script: Script): Promise<string> {
  const hash = await sha256(baseBytes);
  void script.send({ kind: "weights", run: "r", version: 0, codec: "f32", hash }, baseBytes);
  return hash;
}

/** Lets a worker in that holds nothing, and sends it the version's bytes. */
async function begin(script: Script): Promise<string> {
  await script.next("hello");
  await welcome(script);
  await script.next("ready");
  return sendBase(script);
}

/** The same, and the first order. */
async function beginWork(script: Script): Promise<string> {
  const hash = await begin(script);
  void script.send(work({ versionHash: hash, order: own }));
  return hash;
}

/** Lets a worker in again that holds the job. */
async function beginAgain(script: Script, changes: Parameters<typeof welcomeMessage>[1] = {}): Promise<void> {
  await script.next("hello");
  await script.send(await welcomeMessage(linearJob(), changes));
  await script.next("ready");
}

/** Until the coordinator's end has sent so many bytes. */
async function sent({ pair }: Script, bytes: number): Promise<void> {
  while (pair.coordinator.stats.sentBytes < bytes) await Promise.resolve();
}

function prepared(connections: readonly Script[], options = {}) {
  const trainer = largeTrainer({ elements });
  const started = start(connections, { ...endless, prepare: () => Promise.resolve(trainer), ...options });
  return { ...started, trainer };
}

/** A first connection that breaks after the update's first chunk was read; the name of the transfer. */
async function breakUpload(first: Script): Promise<{ readonly id: string; readonly hash: string }> {
  const hash = await beginWork(first);
  const { message, incoming } = await first.next("update");
  expect(message.transfer?.offset).toBe(0);
  await incoming!.chunks()[Symbol.asyncIterator]().next();
  first.pair.sever();
  return { id: message.transfer!.id, hash };
}

test("whoever shows a worker is told how far a large model and its update have come", async () => {
  const script = scripted();
  const { worker, events } = prepared([script]);
  await beginWork(script);
  await script.next("update");
  const told = events.flatMap((event) => (event.event === "transfer" ? [event] : []));
  for (const direction of ["down", "up"] as const) {
    const own = told.filter((event) => event.direction === direction);
    expect(own[0]).toEqual({ event: "transfer", direction, bytes: 0, total: baseBytes.length });
    expect(own.at(-1)).toEqual({ event: "transfer", direction, bytes: baseBytes.length, total: baseBytes.length });
  }
  worker.stop("done");
});

describe("an update that breaks off", () => {
  test("answers no other order, though a coordinator that came back gives one under the same numbers", async () => {
    const [first, second] = [scripted({ reads: false }), scripted()];
    const { worker, trainer } = prepared([first, second]);
    const { hash } = await breakUpload(first);
    await beginAgain(second);
    void second.send(work({ versionHash: hash, order: { ...own, seed: 10 } }));
    const { message } = await second.next("update");
    expect(message.transfer?.offset).toBe(0);
    expect(trainer.calls.gradient).toBe(2);
    worker.stop("enough");
    await worker.outcome;
  });

  test("is gone on with at the byte that the coordinator names, without being computed again", async () => {
    const [first, second] = [scripted({ reads: false }), scripted()];
    const { worker, trainer } = prepared([first, second]);
    const { id, hash } = await breakUpload(first);
    expect((await second.next("hello")).message.resume).toBe("secret");
    await second.send(await welcomeMessage(linearJob(), { transfer: { id, bytes: chunk } }));
    await second.next("ready");
    void second.send(work({ versionHash: hash, order: own }));
    const { message, payload } = await second.next("update");
    expect(message).toMatchObject({ round: 1, attempt: 0, transfer: { id, offset: chunk } });
    expect(Buffer.compare(payload!, doubled.subarray(chunk))).toBe(0);
    expect(trainer.calls.gradient).toBe(1);
    worker.stop("done");
  });

  test("is sent from its start to a coordinator that holds nothing of it, or something else", async () => {
    for (const transfer of [undefined, { id: "another", bytes: chunk }]) {
      const [first, second] = [scripted({ reads: false }), scripted()];
      const { worker, trainer } = prepared([first, second]);
      const { id, hash } = await breakUpload(first);
      await beginAgain(second, transfer && { transfer });
      void second.send(work({ versionHash: hash, order: own }));
      const { message, payload } = await second.next("update");
      expect(message.transfer).toEqual({ id, offset: 0 });
      expect(Buffer.compare(payload!, doubled)).toBe(0);
      expect(trainer.calls.gradient).toBe(1);
      worker.stop("done");
    }
  });

  test("is forgotten once it was answered: the same order again is computed again", async () => {
    const script = scripted();
    const { worker, trainer } = prepared([script]);
    const hash = await beginWork(script);
    await script.next("update");
    const verdict = { round: 1, attempt: 0, accepted: true, code: "accepted", reason: "" };
    await script.send({ kind: "verdict", ...verdict });
    void script.send(work({ versionHash: hash, order: own }));
    const second = await script.next("update");
    expect(second.message.transfer?.offset).toBe(0);
    expect(trainer.calls.gradient).toBe(2);
    worker.stop("done");
  });

  test("is given up when its verdict comes first, and the session goes on", async () => {
    const script = scripted({ reads: false });
    const { worker } = prepared([script]);
    const hash = await beginWork(script);
    const { incoming } = await script.next("update");
    const verdict = { round: 1, attempt: 0, accepted: false, code: "late", reason: "the round has closed" };
    await script.send({ kind: "verdict", ...verdict });
    await expect(incoming!.collect()).rejects.toThrow("the sender gave up");
    void script.send(work({ round: 2, versionHash: hash, order: own }));
    expect((await script.next("update")).message.round).toBe(2);
    worker.stop("done");
  });
});

test("updates that take turns in the same memory go out with their own bytes, resumed ones too", async () => {
  const elements = 2 ** 20 + 4711;
  const up = { kind: "int2" } as const;
  const [first, second] = [scripted({ reads: false }), scripted({ reads: false })];
  const trainer = largeTrainer({ elements, up });
  const { worker } = start([first, second], { ...endless, prepare: () => Promise.resolve(trainer) });
  const base = Float32Array.from({ length: elements }, (_, i) => Math.sin(i));
  const baseBytes = new Uint8Array(base.buffer);
  const hash = await sha256(baseBytes);
  const codec = openCodec(up, createManifest([{ name: "w", shape: [elements] }]));
  const values = base.map((value) => 2 * value);
  let memory: CodecMemory = {};
  const order = (script: Script, round: number) => {
    void script.send(work({ round, versionHash: hash, order: { ...own, seed: round } }));
    return script.next("update");
  };
  /** What an update holds that begins where the last counted one left off. */
  const expected = (round: number) => encodeVector(codec, values, { seed: round, memory });
  const count = async (script: Script, round: number) => {
    const verdict = { round, attempt: 0, accepted: true, code: "accepted", reason: "" };
    await script.send({ kind: "verdict", ...verdict });
    await script.send({ kind: "committed", round, version: round, metrics: {} });
    ({ memory } = expected(round));
  };
  const same = (bytes: Uint8Array, round: number, from = 0) =>
    Buffer.compare(bytes, expected(round).bytes.subarray(from)) === 0;

  await first.next("hello");
  await welcome(first);
  await first.next("ready");
  void first.send({ kind: "weights", run: "r", version: 0, codec: "f32", hash }, baseBytes);
  for (const round of [1, 2, 3]) {
    const { incoming } = await order(first, round);
    expect(same(await incoming!.collect(), round)).toBe(true);
    await count(first, round);
  }
  // Round 4 is given up for round 5 before it was answered, and round 5 breaks off.
  await (await order(first, 4)).incoming!.chunks()[Symbol.asyncIterator]().next();
  const { message, incoming } = await order(first, 5);
  await incoming!.chunks()[Symbol.asyncIterator]().next();
  first.pair.sever();
  const { id } = message.transfer!;
  await beginAgain(second, { transfer: { id, bytes: chunk } });
  const resumed = await order(second, 5);
  expect(resumed.message.transfer).toEqual({ id, offset: chunk });
  expect(same(await resumed.incoming!.collect(), 5, chunk)).toBe(true);
  expect(trainer.calls.gradient).toBe(5);
  await count(second, 5);
  for (const round of [6, 7]) {
    const { incoming: whole } = await order(second, round);
    expect(same(await whole!.collect(), round)).toBe(true);
    await count(second, round);
  }
  worker.stop("done");
});

describe("what comes from the coordinator", () => {
  test("is told in the next hello, and neither the job nor a held version is needed again", async () => {
    const [first, second] = [scripted(), scripted()];
    const { worker } = prepared([first, second]);
    expect((await first.next("hello")).message.holds).toEqual({ versions: [], parts: [] });
    await welcome(first);
    await first.next("ready");
    const hash = await sendBase(first);
    void first.send(work({ versionHash: hash, order: own }));
    await first.next("update");
    first.pair.sever();
    const { message } = await second.next("hello");
    const welcoming = await welcomeMessage(linearJob());
    expect(message.holds).toEqual({ job: welcoming.jobHash, versions: [{ version: 0, hash }], parts: [] });
    await second.send(welcoming);
    await second.next("ready");
    void second.send(work({ round: 2, versionHash: hash, order: own }));
    expect(Buffer.compare((await second.next("update")).payload!, doubled)).toBe(0);
    worker.stop("done");
  });

  test("goes on where it broke, and counts by the hash of all of it", async () => {
    const [first, second] = [scripted(), scripted()];
    const { worker } = prepared([first, second]);
    const hash = await begin(first);
    await sent(first, 2e6);
    first.pair.sever();
    const [part] = (await second.next("hello")).message.holds!.parts;
    expect(part?.hash).toBe(hash);
    expect(part!.bytes % chunk).toBe(0);
    expect(part!.bytes).toBeGreaterThan(1e6);
    await second.send(await welcomeMessage(linearJob()));
    await second.next("ready");
    const rest = { kind: "weights", run: "r", version: 0, codec: "f32", hash, offset: part!.bytes } as const;
    void second.send(rest, baseBytes.subarray(part!.bytes));
    void second.send(work({ versionHash: hash, order: own }));
    expect(Buffer.compare((await second.next("update")).payload!, doubled)).toBe(0);
    worker.stop("done");
  });

  test("is declined when the rest is not the rest of it", async () => {
    const [first, second] = [scripted(), scripted()];
    const { worker } = prepared([first, second]);
    const hash = await begin(first);
    await sent(first, 2e6);
    first.pair.sever();
    const [part] = (await second.next("hello")).message.holds!.parts;
    await second.send(await welcomeMessage(linearJob()));
    await second.next("ready");
    const rest = { kind: "weights", run: "r", version: 0, codec: "f32", hash } as const;
    void second.send(
      { ...rest, offset: part!.bytes },
      baseBytes.subarray(part!.bytes).map((value) => value ^ 1),
    );
    void second.send(work({ versionHash: hash, order: own }));
    expect((await second.next("decline")).message).toMatchObject({ code: "base-hash" });
    void second.send({ ...rest, offset: 2 ** 50 }, baseBytes.subarray(0, chunk));
    void second.send(work({ round: 2, versionHash: hash, order: own }));
    expect((await second.next("decline")).message.reason).toMatch(/not where an earlier one ended/);
    void second.send(rest, baseBytes);
    void second.send(work({ round: 3, versionHash: hash, order: own }));
    expect((await second.next("update")).message.round).toBe(3);
    worker.stop("done");
  });

  test("of one run is not mistaken for that of another", async () => {
    const [first, second] = [scripted(), scripted()];
    const { worker } = prepared([first, second]);
    const hash = await beginWork(first);
    await first.next("update");
    first.pair.sever();
    await beginAgain(second, { run: "other" });
    void second.send(work({ run: "other", versionHash: hash, order: own }));
    expect((await second.next("decline")).message.code).toBe("no-base");
    worker.stop("done");
  });
});

test("what was still being computed when a connection broke changes nothing of what was counted over the next", async () => {
  const codec = { up: { kind: "topK", fraction: 0.5 }, down: { kind: "f32" } } as const;
  const job = linearJob({ codec });
  const connections = [scripted(), scripted(), scripted()] as const;
  const gates = [0, 1].map(() => Promise.withResolvers<undefined>());
  let asked = 0;
  const prepare = () => {
    const trainer = createTrainer(checkJob(job));
    const gradient = async () => {
      await gates[asked++]!.promise;
      return { gradient: Float32Array.of(3, 2, 1, 4), weight: 4, metrics: { loss: 4 } };
    };
    return Promise.resolve({ ...trainer, gradient });
  };
  const { worker } = start(connections, { ...endless, prepare });
  const weights = new Uint8Array(16);
  const hash = await sha256(weights);
  const order = work({ versionHash: hash, order: own });
  const [first, second, third] = connections;
  await first.next("hello");
  await welcome(first, job);
  await first.next("ready");
  void first.send({ kind: "weights", run: "r", version: 0, codec: "f32", hash }, weights);
  void first.send(order);
  while (asked < 1) await new Promise((resolve) => setImmediate(resolve));
  first.pair.sever();
  await second.next("hello");
  await second.send(await welcomeMessage(job));
  await second.next("ready");
  void second.send(order);
  gates[1]!.resolve(undefined);
  const { round, attempt } = (await second.next("update")).message;
  await second.send({ kind: "verdict", round, attempt, accepted: true, code: "accepted", reason: "", version: 1 });
  await second.send({ kind: "committed", round, version: 1, metrics: {} });
  gates[0]!.resolve(undefined);
  await new Promise((resolve) => setImmediate(resolve));
  second.pair.sever();
  // An update of unknown fate would be asked about.
  expect((await third.next("hello")).message.holds).not.toHaveProperty("updates");
  worker.stop("test");
});
