/** What a worker holds out is never trained on, is the same in every round, and answers an order to evaluate. */
import type { CoordinatorMessage, Message, WorkerMessage } from "@weft/protocol";
import { setBackend } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { memoryPair } from "@weft/transport";
import { checkJob, createTrainer, defaultPolicy, startWorker, type WorkerOptions } from "@weft/worker";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sha256 } from "../src/hash.ts";
import { divideRows } from "../src/heldOut.ts";
import { hashOf, linearData, linearJob } from "./testJob.ts";

test("a share divides into training and held-out rows, the same for the same seed, at least one to train on", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.double({ min: 0.001, max: 0.999, noNaN: true }),
      fc.nat(),
      (size, fraction, seed) => {
        const rows = Uint32Array.from({ length: size }, (_, i) => 1000 - i);
        const share = { dataset: linearData(1), rows };
        const { training, heldOut } = divideRows(share, fraction, seed);
        expect(training.rows.length).toBeGreaterThan(0);
        expect([...training.rows, ...(heldOut?.rows ?? [])].toSorted((a, b) => b - a)).toEqual([...rows]);
        expect(divideRows(share, fraction, seed)).toEqual({ training, heldOut });
        if (size > 1 && fraction < 0.5) expect(heldOut?.rows.length).toBe(Math.max(1, Math.round(size * fraction)));
      },
    ),
  );
});

const gradient = { cohort: { fraction: 1 }, quorum: { fraction: 1 }, deadlineMs: "adaptive" } as const;

/** Gives a worker the order to evaluate a base, and returns its answer. */
async function askFor(heldOut: number | undefined, data: Pick<WorkerOptions, "data" | "testData">): Promise<Message> {
  setBackend(createReferenceBackend());
  const job = linearJob({
    examples: 0,
    round: {
      ...gradient,
      work: { kind: "gradient", batchSize: 8 },
      weighting: "examples",
      server: { name: "sgd", learningRate: 0.1 },
      normBound: 1e4,
      evaluation: { on: "workers", every: 1, ...(heldOut === undefined ? {} : { heldOut }) },
    },
  });
  const pair = memoryPair();
  const send = (message: CoordinatorMessage, payload?: Uint8Array) => pair.coordinator.send(message, payload);
  const answer = Promise.withResolvers<Message>();
  const base = new Uint8Array(Float32Array.of(0.5, -0.25, 1, 0.125).buffer);
  const versionHash = await sha256(base);
  const jobHash = await hashOf(job);
  pair.coordinator.listen((message) => {
    if (message.kind === "hello") {
      void send({ kind: "welcome", worker: "w", resume: "s", run: "r", jobHash, heartbeatMs: 1000 });
      void send({ kind: "job", hash: jobHash }, job);
    } else if ((message as WorkerMessage).kind === "ready") {
      void send({ kind: "weights", run: "r", version: 0, codec: "f32", hash: versionHash }, base);
      const order = { kind: "evaluate" } as const;
      void send({ kind: "work", run: "r", round: 0, attempt: 0, version: 0, versionHash, order, deadlineMs: 1000 });
    } else answer.resolve(message);
  });
  const worker = startWorker({
    connect: () => Promise.resolve(pair.worker),
    name: "tested",
    device: "test",
    threads: 1,
    policy: defaultPolicy,
    unreachableMs: 0,
    ...data,
  });
  const message = await answer.promise;
  worker.stop("test over");
  await worker.outcome;
  return message;
}

test("an order to evaluate is answered with sums over the held-out examples", async () => {
  const own = linearData(10);
  const message = await askFor(0.3, { data: () => Promise.resolve(own) });
  const { heldOut } = divideRows({ dataset: own, rows: Uint32Array.from({ length: 10 }, (_, i) => i) }, 0.3, 5);
  const trainer = createTrainer(checkJob(linearJob()));
  const columns = own.columns.map((column, field) => {
    const width = field === 0 ? 3 : 1;
    return Float32Array.from([...heldOut!.rows].flatMap((row) => [...column.slice(row * width, (row + 1) * width)]));
  });
  const base = Float32Array.of(0.5, -0.25, 1, 0.125);
  const means = await trainer.evaluate(base, { contract: own.contract, size: 3, columns });
  expect(message).toMatchObject({ kind: "evaluated", round: 0, attempt: 0, weight: 3 });
  if (message.kind === "evaluated") expect(message.metrics["loss"]).toBeCloseTo(3 * means["loss"]!, 5);
});

test("a test set that the worker brought is measured whole", async () => {
  const message = await askFor(undefined, {
    data: () => Promise.resolve(linearData(10)),
    testData: () => Promise.resolve(linearData(7)),
  });
  expect(message).toMatchObject({ kind: "evaluated", weight: 7 });
});

test("without held-out examples the order is declined", async () => {
  const message = await askFor(undefined, { data: () => Promise.resolve(linearData(10)) });
  expect(message).toMatchObject({ kind: "decline", code: "no-test-data" });
});
