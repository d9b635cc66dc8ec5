/** A worker against a scripted coordinator over an in-memory connection. */
import { selectRows } from "@weft/data";
import { setBackend } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../src/hash.ts";
import { scripted, start, welcome, work } from "./script.ts";
import { linearData, linearJob } from "./testJob.ts";

const job = linearJob();
const base = Float32Array.of(0.5, -0.25, 1, 0.125);
const baseBytes = new Uint8Array(base.buffer);

describe("a worker", () => {
  beforeAll(() => setBackend(createReferenceBackend()));

  test("says hello, takes the job, fetches examples once, and answers orders with updates", async () => {
    const script = scripted();
    const { worker } = start([script], { token: "t" });
    const { message: hello } = await script.next("hello");
    expect(hello).toMatchObject({ protocol: 1, token: "t" });
    await welcome(script);
    await script.next("ready");
    const hash = await sha256(baseBytes);
    await script.send({ kind: "weights", run: "r", version: 0, codec: "f32", hash }, baseBytes);

    await script.send(work({ versionHash: hash }));
    const fetch = await script.next("fetch");
    const indices = new Uint32Array(fetch.payload!.slice().buffer);
    expect(indices.length).toBe(4);
    const stored = selectRows(linearData(20), indices);
    const joined = new Uint8Array(stored.flatMap((field) => [...field]));
    await script.send({ kind: "examples", request: fetch.message.request }, joined);
    const update = await script.next("update");
    expect(update.message).toMatchObject({ round: 1, attempt: 0, version: 0, weight: 4, codec: "f32" });
    expect(update.payload!.length).toBe(16);

    // The same slice again: nothing is fetched, and the same order gives the same bits.
    await script.send(work({ versionHash: hash, round: 2 }));
    const again = await script.next("update");
    expect(again.payload).toEqual(update.payload);
    await script.send({ kind: "finished", run: "r", reason: "rounds", metrics: { loss: 1 } });
    expect(await worker.outcome).toEqual({ kind: "finished", reason: "rounds", metrics: { loss: 1 } });
  });

  test("declines an order on a version that is not the one announced, and goes on", async () => {
    const script = scripted();
    const { worker } = start([script], { data: () => Promise.resolve(linearData(6)) });
    await script.next("hello");
    await welcome(script);
    expect((await script.next("ready")).message.ownExamples).toBe(6);
    const hash = await sha256(baseBytes);
    await script.send({ kind: "weights", run: "r", version: 0, codec: "f32", hash }, baseBytes);
    await script.send(work({ versionHash: "f".repeat(64) }));
    expect((await script.next("decline")).message).toMatchObject({ code: "base-hash" });
    await script.send(work({ versionHash: hash, version: 3 }));
    expect((await script.next("decline")).message).toMatchObject({ code: "no-base" });
    const own = { kind: "own", seed: 5, position: 4, count: 4 } as const;
    await script.send(work({ versionHash: hash, order: { kind: "gradient", examples: own, seed: 9 } }));
    expect((await script.next("update")).message.weight).toBe(2); // what is left of its six before the next pass
    worker.stop("test over");
    expect((await script.next("leave")).message.reason).toBe("test over");
    expect(await worker.outcome).toEqual({ kind: "stopped", reason: "test over" });
  });

  test("refuses a job whose bytes are not those announced", async () => {
    const script = scripted();
    const { worker } = start([script]);
    await script.next("hello");
    const jobHash = "a".repeat(64);
    await script.send({ kind: "welcome", worker: "w1", resume: "s", run: "r", jobHash, heartbeatMs: 1000 });
    await script.send({ kind: "job", hash: jobHash }, job);
    expect((await script.next("refuse")).message.reason).toMatch(/altered/);
    expect(await worker.outcome).toMatchObject({ kind: "refused", code: "job-refused" });
  });

  test("comes back after a lost link with its resume token", async () => {
    const [first, second] = [scripted(), scripted()];
    const { worker, events } = start([first, second], { unreachableMs: 60_000 });
    await first.next("hello");
    await welcome(first);
    await first.next("ready");
    first.pair.sever();
    expect((await second.next("hello")).message.resume).toBe("secret");
    await second.send({ kind: "refused", code: "token", reason: "no longer welcome", retry: false });
    expect(await worker.outcome).toEqual({ kind: "refused", code: "token", reason: "no longer welcome" });
    expect(events.map(({ event }) => event)).toContain("disconnected");
  });
});
