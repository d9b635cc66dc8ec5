/** Uploads that arrive while sums close and others open: kept aside, moved, discounted, never counted in part. */
import { decodeJob } from "@weft/protocol";
import { type IncomingPayload, memoryPair } from "@weft/transport";
import { createManifest, createSlab, openCodec } from "@weft/vector";
import fc from "fast-check";
import { expect, it } from "vitest";
import { type UpdateMessage, Uploads } from "../src/uploads/uploads.ts";
import { makeJob } from "./harness.ts";

const size = 140_000;
const chunkBytes = 100_000;
const { document } = decodeJob(makeJob({ size }));
const codec = openCodec({ kind: "f32" }, createManifest(document.parameters));
const buffered: typeof document = {
  ...document,
  round: { ...document.round, pace: { kind: "buffered", size: 2, staleness: { kind: "polynomial", exponent: 0.5 } } },
};

const message: UpdateMessage = {
  kind: "update",
  run: "r",
  round: 1,
  attempt: 0,
  version: 0,
  codec: "f32",
  weight: 3,
  metrics: { loss: 6 },
  computeMs: 1,
};

const valuesOf = (seed: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(seed * 31 + i) / 7);

/** A payload whose chunks come when they are let. */
function gated(values: Float32Array) {
  const bytes = new Uint8Array(values.slice().buffer);
  const chunks = Math.ceil(bytes.length / chunkBytes);
  const gates = Array.from({ length: chunks }, () => Promise.withResolvers<undefined>());
  const payload = {
    bytes: bytes.length,
    async *chunks() {
      for (const [i, gate] of gates.entries()) {
        await gate.promise;
        yield bytes.subarray(i * chunkBytes, (i + 1) * chunkBytes);
      }
    },
    collect: () => Promise.resolve(bytes),
    discard: () => undefined,
  };
  const letIn = async (until: number) => {
    for (const gate of gates.slice(0, until)) gate.resolve(undefined);
    for (let i = 0; i < 6; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { payload, chunks, letIn };
}

async function add(uploads: Uploads, seed: number, discount = 1): Promise<number> {
  const id = uploads.announce(message);
  uploads.receive(id, discount);
  const { payload, chunks, letIn } = gated(valuesOf(seed));
  const reading = uploads.read(id, payload, 10);
  await letIn(chunks);
  expect(await reading).toEqual({ kind: "arrived" });
  uploads.seal(id);
  return id;
}

async function combined(uploads: Uploads): Promise<Float32Array> {
  const out = new Float32Array(size);
  await uploads.settled();
  for (let block = 0; block * 65536 < size; block++) {
    await uploads.combine(block, out.subarray(block * 65536, Math.min(size, (block + 1) * 65536)));
  }
  return out;
}

it("an upload that sums close under is counted in the next as if it had come then, wherever it was cut", async () => {
  const plain = new Uploads(document, [codec]);
  plain.open(3, 10);
  await add(plain, 1);
  await add(plain, 2);
  const expected = await combined(plain);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(0, 300_000, 2 ** 25),
      fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      async (budget, cuts, startsAside) => {
        const uploads = new Uploads(document, [codec], { budgetBytes: budget });
        uploads.open(3, 10);
        const id = uploads.announce(message);
        if (startsAside) uploads.hold(id);
        else uploads.receive(id);
        const { payload, chunks, letIn } = gated(valuesOf(2));
        const reading = uploads.read(id, payload, 10);
        // Every cut closes sums that hold another update, and opens new ones.
        for (const cut of cuts.toSorted((a, b) => a - b)) {
          await letIn(cut);
          uploads.hold(id);
          const other = await add(uploads, 3);
          uploads.close([other]);
          const alone = new Uploads(document, [codec]);
          alone.open(3, 10);
          await add(alone, 3);
          expect(await combined(uploads)).toEqual(await combined(alone));
          uploads.open(3, 10);
          uploads.receive(id);
        }
        await letIn(chunks);
        expect(await reading).toEqual({ kind: "arrived" });
        // It may have come whole before it was moved for the last time.
        while (!uploads.isWhole(id)) expect(await uploads.whole(id)).toEqual({ kind: "arrived" });
        uploads.seal(id);
        await add(uploads, 1);
        expect(await combined(uploads)).toEqual(expected);
      },
    ),
    { numRuns: 15 },
  );
}, 20_000);

it("an upload that is whole but kept aside is not reported before there are sums for it", async () => {
  const uploads = new Uploads(document, [codec]);
  uploads.open(2, 10);
  const id = uploads.announce(message);
  uploads.hold(id);
  const { payload, chunks, letIn } = gated(valuesOf(1));
  let outcome = "none yet";
  const reading = uploads.read(id, payload, 10).then(({ kind }) => (outcome = kind));
  await letIn(chunks);
  expect(outcome).toBe("none yet");
  expect(uploads.isWhole(id)).toBe(false);
  uploads.receive(id);
  await reading;
  expect(outcome).toBe("arrived");
  expect(uploads.isWhole(id)).toBe(true);
});

it("discounts shrink the step of a buffered pace, and only shift weight in a synchronous one", async () => {
  const result = async (job: typeof document) => {
    const uploads = new Uploads(job, [codec]);
    uploads.open(2, 10, { discounts: true });
    const ids = [await add(uploads, 1), await add(uploads, 1, 0.5)];
    uploads.close(ids);
    return await combined(uploads);
  };
  const values = valuesOf(1);
  const [shrunk, shifted] = [await result(buffered), await result(document)];
  expect(shrunk[5]).toBeCloseTo(0.75 * values[5]!, 6);
  expect(shifted[5]).toBeCloseTo(values[5]!, 6);
});

it("weights become only as fine as the exact sums have room for", async () => {
  const uploads = new Uploads(buffered, [codec]);
  uploads.open(2, 2 ** 24, { discounts: true });
  const id = await add(uploads, 1, 2 ** -0.5);
  uploads.close([id]);
  // 2^24 examples leave five bits: 1/√2 becomes 23/32.
  expect((await combined(uploads))[5]).toBeCloseTo((23 / 32) * valuesOf(1)[5]!, 6);
});

it("of uploads that are moved together, what comes is taken as it comes: none of it waits in memory for its turn", async () => {
  const uploads = new Uploads(document, [codec], { budgetBytes: 0 });
  uploads.open(20, 10);
  const all = Array.from({ length: 20 }, (_, seed) => {
    const id = uploads.announce(message);
    uploads.receive(id);
    const gate = gated(valuesOf(seed));
    const taken = { chunks: 0 };
    const payload = {
      ...gate.payload,
      async *chunks() {
        for await (const chunk of gate.payload.chunks()) {
          yield chunk;
          taken.chunks += 1;
        }
      },
    };
    return { id, ...gate, taken, reading: uploads.read(id, payload, 10) };
  });
  for (const { letIn } of all) await letIn(4);
  for (const { id } of all) uploads.hold(id);
  await uploads.settled();
  for (const { id } of all) uploads.receive(id);
  for (const { letIn, chunks } of all) void letIn(chunks);
  // No turn of the event loop passes meanwhile.
  for (let i = 0; i < 200; i++) await Promise.resolve();
  for (const { taken, chunks } of all) expect(taken.chunks).toBe(chunks);
  for (const { reading } of all) expect(await reading).toEqual({ kind: "arrived" });
});

it("of a hundred updates that come at once no more than a chunk each waits in memory, and large slabs have room for eight blocks", async () => {
  const uploads = new Uploads(document, [codec], { budgetBytes: 0 });
  uploads.open(100, 10);
  // As from sockets, each frame comes by itself.
  const schedule = (task: () => void) => setImmediate(task);
  const pairs = Array.from({ length: 100 }, () => memoryPair({ schedule }));
  const update = new Uint8Array(valuesOf(1).buffer);
  let [taken, most] = [0, 0];
  const received = () => pairs.reduce((sum, { coordinator }) => sum + coordinator.stats.receivedBytes, 0);
  const counted = (payload: IncomingPayload): IncomingPayload => ({
    bytes: payload.bytes,
    collect: () => payload.collect(),
    discard: () => {
      payload.discard();
    },
    async *chunks() {
      for await (const chunk of payload.chunks()) {
        most = Math.max(most, received() - taken);
        // Its memory may be given back before the next is asked for.
        const { length } = chunk;
        yield chunk;
        taken += length;
      }
    },
  });
  const read = pairs.map(({ coordinator }) => {
    const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<Uploads["read"]>>>();
    coordinator.listen((announced, payload) => {
      const id = uploads.announce(announced as UpdateMessage);
      uploads.receive(id);
      void uploads.read(id, counted(payload!), 10).then(resolve);
    });
    return promise;
  });
  await Promise.all(pairs.map(({ worker }) => worker.send(message, update)));
  for (const outcome of await Promise.all(read)) expect(outcome).toEqual({ kind: "arrived" });
  expect(taken).toBe(100 * update.length);
  expect(most).toBeLessThanOrEqual(100 * (256 * 1024 + 1024));
  const slab = createSlab(17 * 2 ** 20);
  expect(slab.kernels === undefined ? 0 : slab.start).toBeLessThanOrEqual(8 * 256 * 1024);
  for (const { worker } of pairs) worker.close(1000, "done");
});
