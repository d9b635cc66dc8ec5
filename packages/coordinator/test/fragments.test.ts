/** A model that is stepped fragment by fragment: each as if it were a model by itself, however large. */
import { adam, type Optimizer, sgd } from "@weft/optim";
import { applyDelta, createManifest, encodedRange, joinCodecs, openCodec, withinRanges } from "@weft/vector";
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { plainLayout } from "../src/model/layout.ts";
import { ServerModel } from "../src/model/serverModel.ts";
import { encodeBroadcastInTurns } from "../src/versions/broadcast.ts";
import { EarlierVersions } from "../src/versions/deltas.ts";
import { FragmentDeltas } from "../src/versions/fragmentDeltas.ts";
import { makeJob, startRun, until, updateFor } from "./harness.ts";

const blockElements = 65_536;
const large = 16 * blockElements;

const values = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => Math.sin(seed + 0.37 * i));

const cutAt = (size: number, cut: number) => ({
  ...plainLayout(size),
  fragments: [
    { start: 0, end: cut },
    { start: cut, end: size },
  ],
});

async function stepBy(model: ServerModel, update: Float32Array, fragment?: number, isRead = false): Promise<void> {
  const source = (block: number, out: Float32Array) => {
    out.set(update.subarray(block * blockElements, block * blockElements + out.length));
  };
  await model.step(source, { isRead: () => isRead, ...(fragment === undefined ? {} : { fragment }) });
}

const nesterov = sgd({ learningRate: 0.7, momentum: 0.9, nesterov: true });

describe.each<[string, number, number, readonly Optimizer[]]>([
  ["a small model", 1000, 300, [nesterov, adam({ learningRate: 0.1 })]],
  ["one of several runs", large + 70_001, blockElements + 17, [nesterov]],
])("%s", (_, size, cut, optimizers) => {
  const layout = cutAt(size, cut);

  test.each(optimizers.map((optimizer) => [optimizer.spec.name, optimizer] as const))(
    "steps as two models would by %s, bit for bit, over a restart too",
    async (__, { spec }) => {
      const initial = values(size, 1);
      let model = await ServerModel.create(spec, initial.slice(), { layout });
      const alone = [
        await ServerModel.create(spec, initial.slice(0, cut)),
        await ServerModel.create(spec, initial.slice(cut)),
      ];
      for (const [round, fragment] of [0, 1, 0, 1].entries()) {
        const update = values(model.elementsOf(fragment), round);
        await stepBy(model, update, fragment);
        await stepBy(alone[fragment]!, update);
        if (round !== 1) continue;
        const [weights, state] = [model.weights.slice(), model.state().map((part) => part.slice())];
        model = await ServerModel.create(spec, new Float32Array(size), { layout });
        await model.restore(weights, state);
      }
      const got = model.weights;
      expect(Buffer.compare(bytesOf(got.slice(0, cut)), bytesOf(alone[0]!.weights.slice()))).toBe(0);
      expect(Buffer.compare(bytesOf(got.slice(cut)), bytesOf(alone[1]!.weights.slice()))).toBe(0);
    },
  );

  test("leaves a version as it is while it may still be read", async () => {
    const model = await ServerModel.create(nesterov.spec, values(size, 1), { layout });
    const held: { readonly version: Float32Array; readonly copy: Float32Array }[] = [];
    for (const [round, fragment] of [0, 1, 0].entries()) {
      held.push({ version: model.weights, copy: model.weights.slice() });
      await stepBy(model, values(model.elementsOf(fragment), round), fragment, true);
    }
    for (const { version, copy } of held) expect(Buffer.compare(bytesOf(version), bytesOf(copy))).toBe(0);
  });
});

test("state of another number of fragments is refused", async () => {
  const { spec } = adam({ learningRate: 0.1 });
  const model = await ServerModel.create(spec, values(10, 1), { layout: cutAt(10, 4) });
  const whole = await ServerModel.create(spec, values(10, 1));
  await expect(whole.restore(model.weights, model.state())).rejects.toThrow(/does not fit/);
});

test("versions differ by the fragments that rounds have brought in since, and whoever missed a turn gets all", async () => {
  const manifests = [100, 300, 50].map((elements, i) => createManifest([{ name: `p${i}`, shape: [elements] }]));
  const codec = joinCodecs(manifests.map((manifest) => openCodec({ kind: "int8" }, manifest)));
  const ranges = [
    { start: 0, end: 100 },
    { start: 100, end: 400 },
    { start: 400, end: 450 },
  ];
  const versions = await Promise.all(
    [0, 1, 2, 3].map((version) => encodeBroadcastInTurns(version, values(450, version), codec)),
  );
  const deltas = new FragmentDeltas(codec, ranges);
  const isHeld = () => true;
  deltas.keep(versions[0]!);
  deltas.keep(versions[1]!);
  const encoded = (fragment: number) => {
    const { from, to } = encodedRange(codec, ranges[fragment]!);
    return versions[2]!.bytes.subarray(from, to);
  };
  const [ofOne, ofTwo] = [...(await deltas.deltasTo(versions[2]!, isHeld)).values()];
  expect([ofOne!.from, ofTwo!.from]).toEqual([1, 0]);
  expect(ofOne!.bytes).toEqual(Buffer.from(encoded(1)));
  expect(ofTwo!.bytes).toEqual(Buffer.concat([encoded(0), encoded(1)]));
  expect(ofTwo!.hash).toBe(createHash("sha256").update(ofTwo!.bytes).digest("hex"));
  // Version 3 is three rounds after 0, and all fragments have changed.
  expect([...(await deltas.deltasTo(versions[3]!, isHeld)).values()].map(({ from }) => from)).toEqual([1]);
  expect((await deltas.deltasTo(versions[2]!, () => false)).size).toBe(0);
  const holdsBoth = (_: string, without?: string) => without === undefined;
  expect([...(await deltas.deltasTo(versions[2]!, holdsBoth)).values()].map(({ from }) => from)).toEqual([1]);
});

test("of versions that are alike to the last bit no difference is sent, for nobody knows which of them a worker holds", async () => {
  const codec = openCodec({ kind: "int8" }, createManifest([{ name: "p", shape: [400] }]));
  const deltas = new EarlierVersions(codec);
  const [same, last] = [values(400, 1), values(400, 1).map((value) => 1.01 * value)];
  for (const version of [0, 1]) deltas.keep(await encodeBroadcastInTurns(version, same, codec));
  expect((await deltas.deltasTo(await encodeBroadcastInTurns(2, last, codec), () => true)).size).toBe(0);
  deltas.keep(await encodeBroadcastInTurns(2, last, codec));
  const next = await deltas.deltasTo(await encodeBroadcastInTurns(3, same, codec), () => true);
  expect([...next.values()].map(({ from }) => from)).toEqual([2]);
});

test("a fragment of small steps goes out as its difference from what it was", async () => {
  const codec = joinCodecs(
    [300, 100].map((n, i) => openCodec({ kind: "int8" }, createManifest([{ name: `p${i}`, shape: [n] }]))),
  );
  const ranges = [
    { start: 0, end: 300 },
    { start: 300, end: 400 },
  ];
  const before = values(400, 1);
  const after = before.map((value, i) => (i < 300 ? 1.01 * value : value));
  const [from, to] = [await encodeBroadcastInTurns(0, before, codec), await encodeBroadcastInTurns(1, after, codec)];
  const deltas = new FragmentDeltas(codec, ranges);
  deltas.keep(from);
  const delta = (await deltas.deltasTo(to, () => true)).get(from.hash)!;
  expect(delta.bytes.length).toBeLessThan(250);
  const bytes = from.bytes.slice();
  const parts = applyDelta(withinRanges(codec, [ranges[0]!]), delta.bytes, { from: from.bytes, to: bytes });
  while (parts.next().done !== true);
  expect(bytes).toEqual(to.bytes);
});

test("an update of another part than the round's is refused, and the right one makes a version that goes out as that part", async () => {
  const optimizer = { name: "sgd" } as const;
  const work = { kind: "local", steps: 1, batchSize: 12, optimizer, streaming: { fragments: 2 } } as const;
  const run = await startRun({ job: makeJob({ size: 100, round: { work }, stop: { rounds: 2 } }) });
  const worker = run.join({ automatic: false });
  await until(() => worker.lastWork !== undefined);
  const first = worker.lastWork!;
  worker.send(updateFor(first), new Uint8Array(4 * 97));
  await until(() => worker.of("verdict").length === 1);
  expect(worker.of("verdict")[0]).toMatchObject({ accepted: false, code: "length" });
  await until(() => worker.lastWork !== first);
  worker.send(updateFor(worker.lastWork!), new Uint8Array(4 * 3));
  await until(() => worker.lastWork?.round === 2);
  expect(worker.of("verdict")[1]).toMatchObject({ accepted: true });
  expect(worker.of("weights").map(({ version, delta }) => [version, delta?.from])).toEqual([
    [0, undefined],
    [1, 0],
  ]);
  await run.coordinator.abort();
});

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer, byteOffset, byteLength);
