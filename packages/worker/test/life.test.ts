/** How a worker comes, stays away and goes: back-off, draining, what its policy lets it do, and bases asked for ahead. */
import { setBackend } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { ConnectionError } from "@weft/transport";
import { defaultPolicy, startWorker, type WorkerEvent, type WorkerPolicy } from "@weft/worker";
import { beforeAll, describe, expect, test } from "vitest";
import { virtualClock } from "../../../test/support/virtualClock.ts";
import { sha256 } from "../src/hash.ts";
import { largeTrainer } from "./largeTrainer.ts";
import { type Script, scripted, start, welcome, welcomeMessage, work } from "./script.ts";
import { hashOf, linearData, linearJob, localRound } from "./testJob.ts";

beforeAll(() => setBackend(createReferenceBackend()));

const base = Float32Array.of(0.5, -0.25, 1, 0.125);
const baseBytes = new Uint8Array(base.buffer);
const own = { kind: "gradient", examples: { kind: "own", seed: 5, position: 0, count: 4 }, seed: 9 } as const;
const data = () => Promise.resolve(linearData(8));

async function ready(script: Script, job = linearJob()): Promise<string> {
  await script.next("hello");
  await welcome(script, job);
  await script.next("ready");
  const hash = await sha256(baseBytes);
  await script.send({ kind: "weights", run: "r", version: 0, codec: "f32", hash }, baseBytes);
  return hash;
}

describe("a worker whose coordinator is away", () => {
  test("tries for ever unless told otherwise, at growing distances with a cap and jitter", async () => {
    const clock = virtualClock();
    const waits: number[] = [];
    const worker = startWorker({
      connect: () => Promise.reject(new ConnectionError("unreachable", "nothing listens there")),
      name: "tested",
      device: "test",
      threads: 1,
      policy: defaultPolicy,
      clock,
      random: () => 0.5,
      onEvent: (event: WorkerEvent) => {
        if (event.event === "disconnected") waits.push(event.retryInMs);
      },
    });
    await clock.advance(0);
    for (let hours = 0; hours < 24 * 120; hours++) await clock.advance(30_000);
    expect(waits.slice(0, 8)).toEqual([375, 750, 1500, 3000, 6000, 12_000, 22_500, 22_500]);
    expect(waits.length).toBeGreaterThan(2800);
    worker.stop("test over");
    expect(await worker.outcome).toEqual({ kind: "stopped", reason: "test over" });
  });

  test("backs off from one that takes connections and drops them before its welcome", async () => {
    const clock = virtualClock();
    const waits: number[] = [];
    const worker = startWorker({
      connect() {
        const script = scripted();
        script.pair.sever();
        return Promise.resolve(script.pair.worker);
      },
      name: "tested",
      device: "test",
      threads: 1,
      policy: defaultPolicy,
      clock,
      random: () => 1,
      onEvent: (event: WorkerEvent) => {
        if (event.event === "disconnected") waits.push(event.retryInMs);
      },
    });
    for (let turn = 0; turn < 40; turn++) await clock.advance(30_000);
    expect(waits.slice(0, 4)).toEqual([500, 1000, 2000, 4000]);
    worker.stop("test over");
  });
});

describe("a worker that stays", () => {
  const end = { kind: "finished", run: "r", reason: "4 rounds done", metrics: { loss: 1 } } as const;
  const order = {
    kind: "gradient",
    examples: { kind: "slice", seed: 5, epoch: 0, start: 0, count: 4 },
    seed: 9,
  } as const;

  /** Serves examples whose values tell from which run they are. */
  async function serveRound(script: Script, run: string): Promise<Uint8Array> {
    const { message: hello } = await script.next("hello");
    if (hello.holds?.job === undefined) await welcome(script, linearJob(), { run });
    else await script.send(await welcomeMessage(linearJob(), { run }));
    await script.next("ready");
    const hash = await sha256(baseBytes);
    await script.send({ kind: "weights", run, version: 0, codec: "f32", hash }, baseBytes);
    await script.send(work({ run, versionHash: hash, order }));
    const { message, payload } = await script.next("fetch");
    const rows = new Float32Array((payload!.length / 4) * 4).fill(run.length);
    await script.send({ kind: "examples", request: message.request }, new Uint8Array(rows.buffer));
    return (await script.next("update")).payload!;
  }

  test("takes the next run when one has ended, and mistakes nothing of the old one for the new one's", async () => {
    const clock = virtualClock();
    const [first, second, third] = [scripted(), scripted(), scripted()];
    const { worker, events } = start([first, second, third], { clock, stays: true, unreachableMs: Infinity });
    const gradient = await serveRound(first, "r");
    await first.send(end);
    await clock.advance(0);
    while (!events.some(({ event }) => event === "disconnected")) await clock.advance(0);
    expect(events.filter(({ event }) => event === "finished")).toEqual([
      { event: "finished", run: "r", reason: "4 rounds done", metrics: { loss: 1 } },
    ]);
    // Nothing is wanted there for a while.
    await clock.advance(500);
    await second.next("hello");
    await second.send({ kind: "refused", code: "no-run", reason: "no run here wants workers now", retry: true });
    while (events.filter(({ event }) => event === "disconnected").length < 2) await clock.advance(0);
    await clock.advance(1000);
    const other = await serveRound(third, "another");
    expect(Buffer.compare(other, gradient)).not.toBe(0);
    worker.drain("SIGTERM");
    await third.send({ kind: "verdict", round: 1, attempt: 0, accepted: true, code: "accepted", reason: "" });
    await third.next("leave");
    expect(await worker.outcome).toEqual({ kind: "stopped", reason: "SIGTERM" });
  });

  test("goes at once when it is told to while it waits", async () => {
    const clock = virtualClock();
    const script = scripted();
    const { worker, events } = start([script], { data, clock, stays: true, unreachableMs: Infinity });
    await ready(script);
    await script.send(end);
    while (!events.some(({ event }) => event === "finished")) await clock.advance(0);
    worker.drain("SIGTERM");
    expect(await worker.outcome).toEqual({ kind: "stopped", reason: "SIGTERM" });
  });

  test("waits for the run that it is to work for by name, and leaves where it is not wanted at all", async () => {
    const clock = virtualClock();
    const [first, second] = [scripted(), scripted()];
    const { worker, events } = start([first, second], { clock, stays: true, run: "mnist", unreachableMs: Infinity });
    await first.next("hello");
    await first.send({ kind: "refused", code: "run", reason: "no run mnist is under way here", retry: false });
    while (!events.some(({ event }) => event === "disconnected")) await clock.advance(0);
    await clock.advance(500);
    await second.next("hello");
    await second.send({ kind: "refused", code: "token", reason: "the token is wrong", retry: false });
    expect(await worker.outcome).toMatchObject({ kind: "refused", code: "token" });
  });
});

describe("a worker that drains", () => {
  test("leaves at once when it has nothing to do", async () => {
    const script = scripted();
    const { worker } = start([script], { data });
    await ready(script);
    worker.drain("SIGTERM");
    expect((await script.next("leave")).message.reason).toBe("SIGTERM");
    expect(await worker.outcome).toEqual({ kind: "stopped", reason: "SIGTERM" });
  });

  test("finishes the order under way, waits for its verdict, and declines further ones", async () => {
    const script = scripted();
    const under = Promise.withResolvers<undefined>();
    const trainer = largeTrainer({ elements: 4, during: () => under.promise });
    const { worker } = start([script], { data, prepare: () => Promise.resolve(trainer) });
    const hash = await ready(script);
    await script.send(work({ versionHash: hash, order: own }));
    while (trainer.calls.gradient === 0) await Promise.resolve();
    worker.drain("SIGTERM");
    await script.send(work({ versionHash: hash, order: own, round: 2 }));
    expect((await script.next("decline")).message).toMatchObject({ round: 2, code: "leaving" });
    under.resolve(undefined);
    expect((await script.next("update")).message.round).toBe(1);
    expect(script.left()).toEqual([]);
    await script.send({ kind: "verdict", round: 1, attempt: 0, accepted: true, code: "accepted", reason: "" });
    await script.next("leave");
    expect(await worker.outcome).toEqual({ kind: "stopped", reason: "SIGTERM" });
  });

  test("hands its work back when it does not get done in time", async () => {
    const clock = virtualClock();
    const script = scripted();
    const never = Promise.withResolvers<undefined>();
    const trainer = largeTrainer({ elements: 4, during: () => never.promise });
    const { worker } = start([script], { data, clock, prepare: () => Promise.resolve(trainer) });
    const hash = await ready(script);
    await script.send(work({ versionHash: hash, order: own }));
    while (trainer.calls.gradient === 0) await Promise.resolve();
    worker.drain("SIGTERM", 5000);
    await clock.advance(4999);
    expect(script.left()).toEqual([]);
    await clock.advance(1);
    expect((await script.next("leave")).message.reason).toBe("SIGTERM");
    expect(await worker.outcome).toEqual({ kind: "stopped", reason: "SIGTERM" });
  });

  test("delivers over a new connection what broke off, then leaves", async () => {
    const [first, second] = [scripted({ reads: false }), scripted()];
    const trainer = largeTrainer({ elements: 1_000_000 });
    const bytes = new Uint8Array(4_000_000);
    const options = { data, random: () => 0, unreachableMs: Infinity, prepare: () => Promise.resolve(trainer) };
    const { worker } = start([first, second], options);
    await first.next("hello");
    await welcome(first);
    await first.next("ready");
    const hash = await sha256(bytes);
    void first.send({ kind: "weights", run: "r", version: 0, codec: "f32", hash }, bytes);
    void first.send(work({ versionHash: hash, order: own }));
    await first.next("update");
    worker.drain("SIGTERM");
    first.pair.sever();
    await second.next("hello");
    await second.send(await welcomeMessage(linearJob()));
    await second.next("ready");
    void second.send(work({ versionHash: hash, order: own }));
    expect((await second.next("update")).payload!.length).toBe(4_000_000);
    await second.send({ kind: "verdict", round: 1, attempt: 0, accepted: true, code: "accepted", reason: "" });
    await second.next("leave");
    expect(trainer.calls.gradient).toBe(1);
    expect(await worker.outcome).toEqual({ kind: "stopped", reason: "SIGTERM" });
  });
});

describe("a worker's policy", () => {
  const refusal = async (policy: Partial<WorkerPolicy>, job = linearJob()) => {
    const script = scripted();
    const { worker } = start([script], { data, policy: { ...defaultPolicy, ...policy } });
    await script.next("hello");
    await welcome(script, job);
    const outcome = script.next("refuse").then(({ message }) => message.reason);
    const result = await Promise.race([outcome, new Promise<undefined>((resolve) => setTimeout(resolve, 300))]);
    worker.stop("test over");
    return result;
  };

  test("admits jobs by name or by the beginning of their hash, and refuses the others by name", async () => {
    const job = linearJob();
    const admitted = [["linear"], [(await hashOf(job)).slice(0, 8)], ["other", "linear"]];
    for (const jobs of admitted) {
      const script = scripted();
      const { worker } = start([script], { data, policy: { ...defaultPolicy, jobs } });
      await ready(script, job);
      worker.stop("test over");
    }
    expect(await refusal({ jobs: ["other", ""] })).toMatch(/^job linear \([0-9a-f]{12}…\) is not among those/);
    expect(await refusal({ jobs: [] })).toMatch(/is not among those/);
  });

  test("refuses a job whose step needs more memory or arithmetic", async () => {
    expect(await refusal({ maxMemoryBytes: 100 })).toMatch(/raise its limits or lower the batch size/);
    expect(await refusal({ maxStepFlops: 10 })).toMatch(/raise its limits or lower the batch size/);
  });

  test("declines an order of local training that takes more arithmetic, and goes on", async () => {
    const round = { ...localRound(2), work: { ...localRound(2).work, epochs: 1000 } };
    const job = linearJob({ examples: 0, round });
    const script = scripted();
    const { worker } = start([script], { data, policy: { ...defaultPolicy, maxOrderFlops: 50_000 } });
    const hash = await ready(script, job);
    const order = { kind: "local", epochs: 1000, batchSize: 4, seed: 1 } as const;
    await script.send(work({ versionHash: hash, order }));
    expect((await script.next("decline")).message).toMatchObject({ code: "policy" });
    await script.send(work({ versionHash: hash, round: 2, order: { ...order, epochs: 2 } }));
    await script.next("update");
    worker.stop("test over");
  });
});

test("a worker asks for a newer base when what is left to compute takes no longer than the last download", async () => {
  const clock = virtualClock();
  // Every delivery takes 30 ms, and so does credit: a payload beyond the first credit needs 60 ms more than its header.
  const script = scripted({ clock, schedule: (task) => void clock.setTimer(task, 30) });
  const elements = 500_000;
  let steps = 0;
  const trainer = largeTrainer({
    elements,
    job: linearJob({ examples: 0, round: localRound(2) }),
    async train({ onStep }) {
      for (steps = 1; steps <= 20; steps++) {
        await new Promise<void>((resolve) => void clock.setTimer(resolve, 20));
        await onStep?.();
      }
    },
  });
  const { worker } = start([script], { data, clock, prepare: () => Promise.resolve(trainer) });
  const ticking = setInterval(() => void clock.advance(5), 1);
  await script.next("hello");
  await welcome(script);
  await script.next("ready");
  const bytes = new Uint8Array(4 * elements);
  const hash = await sha256(bytes);
  await script.send({ kind: "weights", run: "r", version: 0, codec: "f32", hash }, bytes);
  const order = { kind: "local", epochs: 10, batchSize: 4, seed: 1 } as const;
  void script.send(work({ versionHash: hash, order }));
  void script.send({ kind: "committed", round: 1, version: 1, metrics: {} });
  await script.next("prefetch");
  // 60 ms before the end, seen 30 ms later.
  expect(steps).toBeGreaterThanOrEqual(17);
  expect(steps).toBeLessThan(20);
  await script.next("update");
  clearInterval(ticking);
  worker.stop("test over");
});
