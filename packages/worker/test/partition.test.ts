/** A worker's share of the coordinator's examples, and the orders that follow it. */
import { selectRows } from "@weft/data";
import { setBackend } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { beforeAll, expect, test } from "vitest";
import { sha256 } from "../src/hash.ts";
import { scripted, start, welcome, work } from "./script.ts";
import { linearData, linearJob, localRound } from "./testJob.ts";

beforeAll(() => setBackend(createReferenceBackend()));

const job = linearJob({ round: localRound(1) });
const base = new Uint8Array(Float32Array.of(0.5, -0.25, 1, 0.125).buffer);
const order = { kind: "local", epochs: 1, batchSize: 4, seed: 9 } as const;
const indices = (count: number) => new Uint8Array(Uint32Array.from({ length: count }, (_, i) => i).buffer);

/** A worker that has trained on six examples. What is sent arrives within the call, as frames do that a socket reads at once. */
async function prepared() {
  const script = scripted({ schedule: (task) => task() });
  const { worker } = start([script]);
  await script.next("hello");
  await welcome(script, job);
  await script.next("ready");
  const versionHash = await sha256(base);
  void script.send({ kind: "weights", run: "r", version: 0, codec: "f32", hash: versionHash }, base);
  void script.send({ kind: "partition", examples: 6 }, indices(6));
  void script.send(work({ versionHash, order }));
  const { message, payload } = await script.next("fetch");
  const asked = new Uint32Array(payload!.slice().buffer);
  void script.send({ kind: "examples", request: message.request }, selectRows(linearData(20), asked));
  expect((await script.next("update")).message.weight).toBe(6);
  return { script, worker, versionHash };
}

test("an order that comes in one burst with a new share is carried out on that share", async () => {
  const { script, worker, versionHash } = await prepared();
  void script.send({ kind: "partition", examples: 4 }, indices(4));
  void script.send(work({ versionHash, attempt: 1, order }));
  expect((await script.next("update")).message.weight).toBe(4);
  worker.stop("done");
});

test("an order is carried out on the share it was given on, though another one follows it at once", async () => {
  const { script, worker, versionHash } = await prepared();
  void script.send(work({ versionHash, attempt: 1, order }));
  void script.send({ kind: "partition", examples: 4 }, indices(4));
  expect((await script.next("update")).message.weight).toBe(6);
  void script.send(work({ versionHash, attempt: 2, order }));
  expect((await script.next("update")).message.weight).toBe(4);
  worker.stop("done");
});
