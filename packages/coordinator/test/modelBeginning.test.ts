/** How a large model begins: its initial weights are made on a thread of their own, so that runs beside it go on. */
import type { Worker } from "node:worker_threads";
import { type DecodedJob, decodeJob, type JobDocument, sharedParameters } from "@weft/protocol";
import { type Backend, setBackend, type Tensor, trace, uniform } from "@weft/tensor";
import { encode } from "@weft/tensor/programs";
import { createReferenceBackend } from "@weft/tensor/reference";
import { createManifest } from "@weft/vector";
import { createWasmBackend } from "@weft/wasm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CoordinatorOptionsError, RunError } from "../src/errors.ts";
import { createCoordinator, createHost } from "../src/index.ts";
import { initialWeights, type InitialWeightsOptions } from "../src/model/initialWeights.ts";
import { examples, makeJob, until } from "./harness.ts";

/** Started while a test runs. */
const threads: Worker[] = [];
const seen = (thread: Worker) => threads.push(thread);
const haveEnded = () => threads.every(({ threadId }) => threadId === -1);
beforeEach(() => process.on("worker", seen));
afterEach(() => {
  process.off("worker", seen);
  threads.length = 0;
  setBackend(createReferenceBackend());
});

/** The backend, and whether anything was compiled by it on this thread. */
function watched(backend: Backend): Backend & { compiled: number } {
  const compile: Backend["compile"] = (...given) => {
    spied.compiled += 1;
    return backend.compile(...given);
  };
  const spied = { ...backend, compile, compiled: 0 };
  return spied;
}

/** It cannot be had on another thread. */
const alone = (backend: Backend): Backend => ({ ...backend, recipe: undefined });

const large = 2 ** 18 + 5;

function begin(job: DecodedJob, options?: InitialWeightsOptions): Promise<Float32Array> {
  return initialWeights(job, createManifest(sharedParameters(job.document)), options);
}

/** One large parameter and a small one, as a function of the key makes them. */
function jobOf(make: (key: Tensor) => Tensor[]): DecodedJob {
  const job = decodeJob(makeJob({ size: large }));
  return { ...job, program: () => encode(trace(make, [{ shape: [2], dtype: "u32" }])) };
}

describe("initial weights", () => {
  it.each([
    ["wasm", createWasmBackend({ blas: "auto" }), 2 ** 20],
    ["the reference backend", createReferenceBackend(), large],
  ])("of a large model are made on a thread of their own, in the bits of this one: %s", async (_, backend, size) => {
    const job = decodeJob(makeJob({ size }));
    const here = watched(alone(backend));
    setBackend(here);
    const expected = await begin(job);
    expect([here.compiled > 0, threads.length]).toEqual([true, 0]);
    const elsewhere = watched(backend);
    setBackend(elsewhere);
    const made = await begin(job);
    expect([elsewhere.compiled, threads.length, haveEnded()]).toEqual([0, 1, true]);
    expect(Buffer.compare(new Uint8Array(made.buffer), new Uint8Array(expected.buffer))).toBe(0);
  });

  it("of a small model with many parameters are made there as well: its program takes long to compile", async () => {
    const parameters = Array.from({ length: 100 }, (_, i) => ({ name: `p${i}`, shape: [3], kind: "weight" as const }));
    const job = decodeJob(makeJob({ parameters }));
    const made = await begin(job);
    expect([threads.length, haveEnded()]).toEqual([1, true]);
    setBackend(alone(createReferenceBackend()));
    expect(made).toEqual(await begin(job));
  });

  it("of a small model are made here", async () => {
    await begin(decodeJob(makeJob({ size: 1000 })));
    expect(threads.length).toBe(0);
  });

  const whole = (key: Tensor) => uniform(key, [large - 3]);
  const few = (key: Tensor) => uniform(key, [3]);
  const f64 = (key: Tensor) =>
    uniform(key, [large - 3])
      .cast("f64")
      .cast("f32");
  it.each<[string, DecodedJob]>([
    ["is damaged", { ...jobOf((key) => [few(key), whole(key)]), program: () => new Uint8Array(3000).fill(7) }],
    ["makes too few parameters", jobOf((key) => [whole(key)])],
    ["makes another type", jobOf((key) => [few(key), whole(key).greater(0.5)])],
    ["makes what is not finite", jobOf((key) => [few(key), whole(key).sub(0.5).log()])],
    ["computes in what the backend has not", jobOf((key) => [few(key), f64(key)])],
  ])("end in the same error there as here when the program %s", async (_, job) => {
    const backend = createWasmBackend();
    setBackend(alone(backend));
    const here: unknown = await begin(job).catch((error: unknown) => error);
    setBackend(backend);
    const there: unknown = await begin(job).catch((error: unknown) => error);
    expect(here).toBeInstanceOf(Error);
    expect((there as Error).message).toBe((here as Error).message);
    expect((there as Error).constructor).toBe((here as Error).constructor);
    expect([threads.length, haveEnded()]).toEqual([1, true]);
  });

  it("are made here after a warning where the thread's modules are not to be had, as in a program bundled to one file", async () => {
    const job = decodeJob(makeJob({ size: large }));
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    const backend = createReferenceBackend();
    setBackend({ ...backend, recipe: { module: "file:///nowhere/backend.js", maker: "createBackend" } });
    const made = await begin(job);
    expect((await warned).message).toContain(
      "the thread for a run's initial weights did not start (Cannot find module",
    );
    expect([threads.length, haveEnded()]).toEqual([1, true]);
    setBackend(alone(backend));
    expect(made).toEqual(await begin(job));
  });

  it("that are given up end their thread", async () => {
    const aborting = new AbortController();
    const reason = new CoordinatorOptionsError("enough");
    const begun = begin(decodeJob(makeJob({ size: large })), { signal: aborting.signal });
    begun.catch(() => undefined);
    await until(() => threads.length > 0);
    await new Promise((resolve) => threads[0]!.once("message", resolve));
    aborting.abort(reason);
    await expect(begun).rejects.toBe(reason);
    expect([threads.length, haveEnded()]).toEqual([1, true]);
  });
});

it("a host that closes gives up the run that is beginning on it, and its thread", async () => {
  const host = await createHost({ listen: { port: 0 } });
  const added = host.add({ job: makeJob({ size: 2 ** 20 }), examples });
  added.catch(() => undefined);
  await until(() => threads.length > 0);
  await host.close();
  await expect(added).rejects.toThrow(RunError);
  expect([threads.length, haveEnded()]).toEqual([1, true]);
  expect(host.runs).toEqual([]);
});

/** The most that this thread computed from one turn of its event loop to the next, in steps of the kernel's count. */
async function longestTurnMs(work: () => Promise<unknown>): Promise<number> {
  const computedMs = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  let [most, before, isOver] = [0, computedMs(), false];
  const turn = () => {
    const now = computedMs();
    [most, before] = [Math.max(most, now - before), now];
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  isOver = true;
  turn();
  return most;
}

it("no turn of the event loop is as long as one large parameter takes to be made while a coordinator of it begins", async () => {
  const backend = createWasmBackend();
  const create = async (size: number) => {
    const parameters: JobDocument["parameters"] = [{ name: "embedding", shape: [size], kind: "weight" }];
    const coordinator = await createCoordinator({ job: makeJob({ parameters }), examples });
    await coordinator.abort();
  };
  setBackend(backend);
  // What is compiled for the first time takes longer.
  await create(2 ** 20 + 1);
  const there = await longestTurnMs(() => create(2 ** 24));
  setBackend(alone(backend));
  const here = await longestTurnMs(() => create(2 ** 24));

  expect(there).toBeLessThan(here / 2);
});
