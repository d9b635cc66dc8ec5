import { createOptimizer } from "@weft/optim/createOptimizer";
import { tensor } from "@weft/tensor";
import { describe, expect, it } from "vitest";
import {
  adam,
  type FakeOptions,
  type FakeWorker,
  makeJob,
  plainScript,
  startRun,
  until,
  updateFor,
} from "./harness.ts";

const bits = (values: Float32Array) => Buffer.from(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));

describe("a run", () => {
  it("of gradient work ends after its rounds, with figures for each", async () => {
    const run = await startRun({ job: makeJob({ stop: { epochs: 1 } }), run: { expectedWorkers: 2 } });
    const workers = [run.join(), run.join()];
    const outcome = await run.coordinator.finished;
    expect(outcome).toMatchObject({ reason: "epochs", rounds: 9, version: 9, path: undefined });
    expect(outcome.metrics).toEqual({ loss: 2, accuracy: 0.5 });
    const rounds = run.of("round");
    expect(rounds.map(({ examples }) => examples)).toEqual([12, 12, 12, 12, 12, 12, 12, 12, 4]);
    expect(rounds[0]).toMatchObject({ totalRounds: 9, loss: 2, metrics: { accuracy: 0.5 }, updates: 2, cohort: 2 });
    expect(rounds[0]!.bytesUp).toBeGreaterThan(2 * 280_000);
    for (const worker of workers) {
      expect((await worker.closed).code).toBe(1000);
      expect(worker.of("finished")).toHaveLength(1);
    }
    expect(run.clock.pending).toBe(0);
  });

  it("with one worker equals local training with the same optimiser, bit for bit", async () => {
    const size = 1000;
    const run = await startRun({ job: makeJob({ size }) });
    const worker = run.join();
    const { weights } = await run.coordinator.finished;
    const optimizer = createOptimizer(adam);
    let parameter = tensor((await worker.bases.get(0))!);
    let state = optimizer.init([parameter]);
    for (const work of worker.of("work")) {
      const gradient = tensor(plainScript((await parameter.data()) as Float32Array, work));
      const next = optimizer.update([parameter], [gradient], state);
      parameter = next.parameters[0]!;
      state = next.state;
    }
    expect(bits(weights).equals(bits((await parameter.data()) as Float32Array))).toBe(true);
  });

  it("gives the same bits whatever the order in which updates and their blocks arrive", async () => {
    const results: string[] = [];
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
      [1, 2, 0],
    ]) {
      const run = await startRun({ run: { expectedWorkers: 3 } });
      const workers = [run.join({ automatic: false }), run.join({ automatic: false }), run.join({ automatic: false })];
      for (let round = 1; round <= 3; round++) {
        await until(() => workers.every((worker) => worker.lastWork?.round === round));
        for (const index of order) {
          await workers[index]!.answer(workers[index]!.lastWork!);
          if (round === 2) await until(() => workers[index]!.of("verdict").length === round);
        }
      }
      const { weights } = await run.coordinator.finished;
      results.push(bits(weights).toString("base64"));
    }
    expect(new Set(results).size).toBe(1);
  });

  it("of local work trains each worker on its partition and steps by the mean of their changes", async () => {
    const work = { kind: "local", epochs: 1, batchSize: 5, optimizer: { name: "sgd", learningRate: 1 } } as const;
    const job = makeJob({ size: 4, stop: { rounds: 1 }, round: { work, server: { name: "sgd", learningRate: 1 } } });
    const run = await startRun({ job, run: { expectedWorkers: 2 } });
    const scripts = [1, 3].map((change) => () => new Float32Array(4).fill(change));
    const workers = scripts.map((script) => run.join({ script }));
    const { weights } = await run.coordinator.finished;
    const base = (await workers[0]!.bases.get(0))!;
    expect([...weights]).toEqual([...base].map((value) => Math.fround(value - 2)));
    expect(workers.map(({ partition }) => partition?.length)).toEqual([50, 50]);
    const all = new Set(workers.flatMap(({ partition }) => [...(partition ?? [])]));
    expect(all.size).toBe(100);
  });

  it("sends a version once to each worker, and serves the examples asked for", async () => {
    const run = await startRun({ job: makeJob({ stop: { rounds: 1 } }) });
    const worker = run.join({ automatic: false });
    await until(() => worker.lastWork !== undefined);
    worker.send({ kind: "fetch", request: 4 }, new Uint8Array(Uint32Array.of(3, 99).buffer));
    await until(() => worker.answers.has(4));
    expect([...(await worker.answers.get(4)!)]).toEqual([3, 252, 99, 156]);
    await worker.answer(worker.lastWork!);
    await run.coordinator.finished;
    expect(worker.of("weights")).toHaveLength(1);
  });

  it("in f16 carries versions and updates in half the bytes", async () => {
    const codec = { up: "f16", down: "f16" };
    const run = await startRun({ job: makeJob({ codec, stop: { rounds: 1 } }) });
    const worker = run.join();
    const { weights } = await run.coordinator.finished;
    expect(weights.some((value, i) => i > 0 && value !== weights[0])).toBe(true);
    expect(run.of("round")[0]!.bytesUp).toBeLessThan(70_000 * 2 + 5000);
    expect(worker.of("verdict")[0]).toMatchObject({ accepted: true, code: "accepted" });
  });

  it("ends early when the evaluation reaches the target", async () => {
    const stop = { rounds: 50, target: { metric: "accuracy", value: 0.9, every: 2 } };
    const evaluate = (_: Float32Array, version: number) => Promise.resolve({ accuracy: version >= 4 ? 0.95 : 0.1 });
    const run = await startRun({ job: makeJob({ size: 4, stop }), evaluate });
    run.join();
    const outcome = await run.coordinator.finished;
    expect(outcome).toMatchObject({ reason: "target", rounds: 4, metrics: { accuracy: 0.95 } });
    expect(run.of("evaluated").map(({ version }) => version)).toEqual([2, 4]);
  });

  it("stops on request with what it has, and leaves no timer and no connection behind", async () => {
    const run = await startRun({ job: makeJob({ stop: { rounds: 1000 } }) });
    const worker = run.join();
    await until(() => run.of("round").length >= 2);
    const outcome = await run.coordinator.stop("enough");
    expect(outcome.reason).toBe("stopped");
    expect(outcome.detail).toBe("enough");
    expect((await worker.closed).code).toBe(1001);
    expect(worker.of("finished")).toHaveLength(1);
    expect(run.clock.pending).toBe(0);
    expect(await run.coordinator.stop("again")).toBe(outcome);
  });
});

describe("a bad update", () => {
  const nan = (base: Float32Array) => base.map((_, i) => (i === 69_000 ? NaN : 1));
  const cases: Record<string, { readonly code: string; send: (worker: FakeWorker) => Promise<void> }> = {
    "with NaN in its last block": {
      code: "value",
      send: async (worker) => {
        const work = worker.lastWork!;
        const values = nan((await worker.bases.get(work.version))!);
        worker.send(updateFor(work), new Uint8Array(values.buffer));
      },
    },
    "beyond the norm bound": {
      code: "norm",
      send: (worker) => {
        const values = new Float32Array(70_000).fill(5);
        worker.send(updateFor(worker.lastWork!), new Uint8Array(values.buffer));
        return Promise.resolve();
      },
    },
    "that is too short": {
      code: "length",
      send: (worker) => {
        worker.send(updateFor(worker.lastWork!), new Uint8Array(400));
        return Promise.resolve();
      },
    },
    "that claims more examples than it was given": {
      code: "weight",
      send: async (worker) => {
        const values = await worker.values(worker.lastWork!);
        worker.send(updateFor(worker.lastWork!, { weight: 1000 }), new Uint8Array(values.buffer));
      },
    },
    "in another codec": {
      code: "codec",
      send: (worker) => {
        worker.send(updateFor(worker.lastWork!, { codec: "f16" }), new Uint8Array(140_000));
        return Promise.resolve();
      },
    },
    "on another version": {
      code: "version",
      send: async (worker) => {
        const values = await worker.values(worker.lastWork!);
        worker.send(updateFor(worker.lastWork!, { version: 7 }), new Uint8Array(values.buffer));
      },
    },
  };
  for (const [name, { code, send }] of Object.entries(cases)) {
    it(`${name} is refused without a trace, and the round goes on`, async () => {
      const finalWeights = async (withBad: boolean) => {
        const run = await startRun({ job: makeJob({ stop: { rounds: 1 } }), run: { expectedWorkers: 2 } });
        const good = run.join({ automatic: false });
        await until(() => run.of("workerJoined").length === 1);
        const bad = run.join({ automatic: false });
        await until(() => good.lastWork !== undefined && bad.lastWork !== undefined);
        if (withBad) {
          await send(bad);
          await until(() => bad.of("verdict").length === 1, "a verdict");
          expect(bad.of("verdict")[0]).toMatchObject({ accepted: false, code });
          expect(run.of("refusedUpdate")).toMatchObject([{ worker: bad.worker, code }]);
        } else bad.send({ kind: "leave", reason: "done" });
        await good.answer(good.lastWork!);
        return bits((await run.coordinator.finished).weights);
      };
      expect((await finalWeights(true)).equals(await finalWeights(false))).toBe(true);
    });
  }

  it("that comes twice is acknowledged and counted once; one that comes late is refused", async () => {
    const job = makeJob({ stop: { rounds: 2 }, round: { quorum: { count: 1 } } });
    const run = await startRun({ job, run: { expectedWorkers: 2 } });
    const [a, b] = [run.join({ automatic: false }), run.join({ automatic: false })];
    await until(() => a.lastWork !== undefined && b.lastWork !== undefined);
    const [first, second] = [a.lastWork!, b.lastWork!];
    await a.answer(first);
    await until(() => run.of("round").length === 1);
    await a.answer(first);
    await b.answer(second);
    await until(() => a.of("verdict").length === 2 && b.of("verdict").length === 1);
    expect(a.of("verdict")[1]).toMatchObject({ accepted: true, code: "duplicate" });
    expect(b.of("verdict")[0]).toMatchObject({ accepted: false, code: "late" });
    expect(run.of("round")[0]).toMatchObject({ updates: 1, examples: 6 });
    await run.coordinator.abort();
  });

  it("of another run is refused", async () => {
    const run = await startRun();
    const worker = run.join({ automatic: false });
    await until(() => worker.lastWork !== undefined);
    worker.send(updateFor(worker.lastWork!, { run: "other" }), new Uint8Array(280_000));
    await until(() => worker.of("verdict").length === 1);
    expect(worker.of("verdict")[0]).toMatchObject({ accepted: false, code: "run" });
    await run.coordinator.abort();
  });

  it("three attempts in a row from everyone ends the run with what to do", async () => {
    const run = await startRun({ job: makeJob({ size: 4 }) });
    run.join({ script: () => new Float32Array(4).fill(NaN) });
    const outcome = await run.coordinator.finished;
    expect(outcome.reason).toBe("failed");
    expect(outcome.detail).toContain("lower the learning rate");
  });
});

describe("a half-sent update", () => {
  it("leaves no trace when it is sent again from its start by a worker that comes back", async () => {
    const finish = async (breaks: boolean) => {
      const run = await startRun({ job: makeJob({ size: 300_000, stop: { rounds: 1 } }), run: { expectedWorkers: 2 } });
      const good = run.join({ automatic: false });
      await until(() => run.of("workerJoined").length === 1);
      let other = run.join({ automatic: false });
      await until(() => good.lastWork !== undefined && other.lastWork !== undefined);
      await good.answer(good.lastWork!);
      if (breaks) {
        const values = await other.values(other.lastWork!);
        // The first block arrives and is folded in; then the line goes dead.
        const received = run.of("round").length;
        other.send(updateFor(other.lastWork!), new Uint8Array(values.buffer));
        const { coordinator } = other.pair!;
        while (coordinator.stats.receivedBytes < 786_432) await Promise.resolve();
        other.pair!.hold();
        expect(run.of("round").length).toBe(received);
        other.pair!.sever();
        await until(() => run.of("workerLeft").length === 1);
        const { resume, worker } = other;
        other = run.join({ automatic: false, resume });
        await until(() => other.lastWork !== undefined);
        expect(other.worker).toBe(worker);
      }
      await other.answer(other.lastWork!);
      return bits((await run.coordinator.finished).weights);
    };
    expect((await finish(true)).equals(await finish(false))).toBe(true);
  });
});

describe("at the door", () => {
  const refusals: [string, FakeOptions, string][] = [
    ["another protocol version", { protocol: 99, token: "secret" }, "protocol"],
    ["no token", {}, "token"],
    ["a wrong token", { token: "guess" }, "token"],
    ["no data where everyone brings their own", { token: "secret" }, "data"],
  ];
  for (const [name, fake, code] of refusals) {
    it(`${name} is refused with a reason`, async () => {
      const run = await startRun({
        job: makeJob({ examples: 0 }),
        listen: { port: 0, token: "secret" },
      });
      const worker = run.join(fake);
      expect(await worker.closed).toMatchObject({ code: 1008 });
      expect(worker.of("refused")).toMatchObject([{ code, retry: false }]);
      expect(run.of("refusedWorker")).toMatchObject([{ code }]);
      await run.coordinator.abort();
    });
  }

  it("silence is closed after five seconds", async () => {
    const run = await startRun();
    const { memoryPair } = await import("@weft/transport");
    const pair = memoryPair({ clock: run.clock });
    run.coordinator.attach(pair.coordinator);
    await run.clock.advance(4900);
    await run.clock.advance(200);
    expect(await pair.worker.closed).toMatchObject({ code: 1008 });
    await run.coordinator.abort();
  });

  it("messages out of turn close the connection and harm nobody else", async () => {
    const run = await startRun({ job: makeJob({ size: 4 }) });
    const early = run.join();
    early.send({ kind: "leave", reason: "x" });
    const { memoryPair } = await import("@weft/transport");
    const pair = memoryPair({ clock: run.clock });
    run.coordinator.attach(pair.coordinator);
    void pair.worker.send({ kind: "decline", run: "x", round: 1, attempt: 0, code: "x", reason: "x" });
    expect(await pair.worker.closed).toMatchObject({ code: 1008 });
    run.join();
    expect((await run.coordinator.finished).reason).toBe("rounds");
  });

  it("an out-of-range fetch closes the connection", async () => {
    const run = await startRun();
    const worker = run.join({ automatic: false });
    await until(() => worker.lastWork !== undefined);
    worker.send({ kind: "fetch", request: 1 }, new Uint8Array(Uint32Array.of(100).buffer));
    expect((await worker.closed).reason).toContain("example 100");
    await run.coordinator.abort();
  });

  it("the same worker connecting again takes over from its older connection", async () => {
    const run = await startRun({ job: makeJob({ stop: { rounds: 1 } }) });
    const old = run.join({ automatic: false });
    await until(() => old.lastWork !== undefined);
    const again = run.join({ resume: old.resume });
    expect((await old.closed).code).toBe(1008);
    const outcome = await run.coordinator.finished;
    expect(outcome.rounds).toBe(1);
    expect(again.worker).toBe(old.worker);
    expect(run.of("workerJoined").map(({ resumed }) => resumed)).toEqual([false, true]);
  });
});

it("a running statistic becomes the mean of the workers', whatever the server optimiser", async () => {
  const parameters = [
    { name: "weight", shape: [3], kind: "weight" as const },
    { name: "mean", shape: [2], kind: "statistic" as const },
  ];
  const run = await startRun({ job: makeJob({ parameters, stop: { rounds: 1 } }), run: { expectedWorkers: 2 } });
  const [first] = [1, 2].map((by) => run.join({ script: (base) => base.map(() => by) }));
  const outcome = await run.coordinator.finished;
  const base = (await first!.bases.get(0))!;
  expect(outcome.weights.subarray(3)).toEqual(base.subarray(3).map((value) => value - 1.5));
  // Adam's first step is of its learning rate.
  expect(outcome.weights[0]).toBeCloseTo(base[0]! - adam.learningRate, 5);
});

it("examples that are not the job's are refused", async () => {
  await expect(startRun({ examples: { size: 7, rows: () => [] } })).rejects.toThrow(/100 examples, the store has 7/);
  await expect(startRun({ examples: undefined })).rejects.toThrow(/give them/);
});
