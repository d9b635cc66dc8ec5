/** Versions that come as the difference from another, or as the fragments that have changed since, to simulated workers. */
import { createHash } from "node:crypto";
import { partitionIid } from "@weft/data";
import { computeHere, simulate, usualMachines } from "@weft/simulator";
import { setBackend } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { createManifest, decodeVector, encodeDelta, encodeVector, openCodec } from "@weft/vector";
import { checkJob, createTrainer } from "@weft/worker";
import { beforeAll, expect, test } from "vitest";
import { Versions } from "../src/research/versions.ts";
import { data, job } from "./line.ts";

beforeAll(() => {
  setBackend(createReferenceBackend());
});

test("a version that comes as a difference is the one that it leads to", () => {
  const size = 70_000;
  const codec = openCodec({ kind: "int8" }, createManifest([{ name: "w", shape: [size] }]));
  const [from, to] = [1, 1.001].map((scale) => {
    const values = Float32Array.from({ length: size }, (_, i) => scale * Math.sin(i));
    return encodeVector(codec, values, { seed: 0 }).bytes;
  });
  const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const versions = new Versions({ ...checkJob(job(1)), codecs: { down: codec } });
  const sent = { kind: "weights", run: "r", codec: "int8" } as const;
  versions.note({ ...sent, version: 0, hash: hashOf(from!) }, [from!]);
  const delta = Buffer.concat([...encodeDelta(codec, from!, to!)]);
  const way = { from: 0, hash: hashOf(delta) };
  versions.note({ ...sent, version: 1, hash: hashOf(to!), delta: way }, [delta]);
  const expected = new Float32Array(size);
  decodeVector(codec, to!, expected);
  const order = { kind: "work", run: "r", round: 2, attempt: 0, deadlineMs: 1 } as const;
  const work = { ...order, version: 1, versionHash: hashOf(to!), order: { kind: "evaluate" } } as const;
  expect([...versions.of(work)]).toEqual([...expected]);
});

test("a job that streams learns, each round moving one of its parameters", async () => {
  const optimizer = { name: "sgd", learningRate: 0.1 } as const;
  const work = { kind: "local", steps: 5, batchSize: 5, optimizer, streaming: { fragments: 2 } } as const;
  const encoded = job(12, { kind: "f32" }, { work, cohort: { fraction: 1 } });
  const { rounds, outcome } = await simulate({
    job: encoded,
    train: data,
    compute: computeHere(createTrainer(checkJob(encoded)), { train: data, test: data }),
    partition: (slots) => partitionIid(data.size, slots, 1),
    ...{ workers: 4, seed: 4, machines: usualMachines },
  });
  expect(outcome.reason).toBe("rounds");
  expect(rounds.at(-1)?.evaluated?.["loss"]).toBeLessThan(0.05);
  const deltas = outcome.traffic.filter(({ kind }) => kind === "weights").map(({ codec }) => codec);
  expect(deltas.toSorted()).toEqual(["f32", "f32 delta"]);
});
