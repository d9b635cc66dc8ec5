import { decodeJob } from "@weft/protocol";
import { createManifest, openCodec } from "@weft/vector";
import fc from "fast-check";
import { expect, it } from "vitest";
import { type UpdateMessage, Uploads } from "../src/uploads/uploads.ts";
import { makeJob } from "./harness.ts";

const size = 140_000;
const { document } = decodeJob(makeJob({ size }));
const codec = openCodec({ kind: "f32" }, createManifest(document.parameters));

const message: UpdateMessage = {
  kind: "update",
  run: "r",
  round: 1,
  attempt: 0,
  version: 0,
  codec: "f32",
  weight: 3,
  metrics: { loss: 6, accuracy: 1 },
  computeMs: 1,
};

const valuesOf = (seed: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(seed * 31 + i) / 7);

function payloadOf(values: Float32Array, chunkBytes: number, breakAt = Infinity) {
  const bytes = new Uint8Array(values.slice().buffer);
  return {
    bytes: bytes.length,
    async *chunks() {
      for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
        if (offset >= breakAt) return;
        await Promise.resolve();
        yield bytes.subarray(offset, offset + chunkBytes);
      }
    },
    collect: () => Promise.resolve(bytes),
    discard: () => undefined,
  };
}

async function combined(uploads: Uploads): Promise<Float32Array> {
  const out = new Float32Array(size);
  await uploads.settled();
  for (let block = 0; block * 65536 < size; block++) {
    await uploads.combine(block, out.subarray(block * 65536, Math.min(size, (block + 1) * 65536)));
  }
  return out;
}

async function add(uploads: Uploads, seed: number, chunkBytes = 262_144): Promise<void> {
  const id = uploads.announce(message);
  uploads.receive(id);
  expect(await uploads.read(id, payloadOf(valuesOf(seed), chunkBytes), 10)).toEqual({ kind: "arrived" });
  uploads.seal(id);
}

it("an upload taken out half-way leaves the sums as if it had never come, in memory and beyond it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(0, 300_000, 2 ** 25),
      fc.constantFrom(1000, 65_537, 262_144),
      fc.integer({ min: 0, max: size * 4 }),
      async (budget, chunkBytes, breakAt) => {
        const uploads = new Uploads(document, [codec], { budgetBytes: budget });
        uploads.open(3, 10);
        await add(uploads, 1);
        const half = uploads.announce(message);
        uploads.receive(half);
        await uploads.read(half, payloadOf(valuesOf(2), chunkBytes, breakAt), 10);
        uploads.discard(half);
        await add(uploads, 3, chunkBytes);
        const plain = new Uploads(document, [codec]);
        plain.open(3, 10);
        await add(plain, 3);
        await add(plain, 1);
        expect(await combined(uploads)).toEqual(await combined(plain));
      },
    ),
    { numRuns: 20 },
  );
});

it("an upload that is discarded while it arrives is not read to its end", async () => {
  const uploads = new Uploads(document, [codec]);
  uploads.open(1, 10);
  const id = uploads.announce(message);
  uploads.receive(id);
  const reading = uploads.read(id, payloadOf(valuesOf(1), 262_144), 10);
  uploads.discard(id);
  expect(await reading).toEqual({ kind: "ignored" });
  expect(() => uploads.combine(0, new Float32Array(65536))).toThrow();
});

it("an upload is taken out of large sums by and by, and one that takes its place waits until there is room", async () => {
  const elements = 2_000_000;
  const { document: large } = decodeJob(makeJob({ size: elements }));
  const wide = openCodec({ kind: "f32" }, createManifest(large.parameters));
  const values = (seed: number) => Float32Array.from({ length: elements }, (_, i) => Math.sin(seed * 31 + i) / 7);
  const uploads = new Uploads(large, [wide]);
  // On a grid for one contribution, two at once would be refused, or one would overwrite the other.
  uploads.open(1, 10);
  const broken = uploads.announce(message);
  uploads.receive(broken);
  await uploads.read(broken, payloadOf(values(1), 262_144, 6_000_000), 10);
  uploads.discard(broken);
  const taken = { isOut: false };
  void uploads.settled().then(() => (taken.isOut = true));
  const other = uploads.announce(message);
  uploads.receive(other);
  const reading = uploads.read(other, payloadOf(values(2), 262_144), 10);
  for (let i = 0; i < 20; i++) await Promise.resolve();
  expect(taken.isOut).toBe(false);
  expect(await reading).toEqual({ kind: "arrived" });
  expect(taken.isOut).toBe(true);
  const out = new Float32Array(65_536);
  await uploads.combine(3, out);
  expect(out).toEqual(values(2).subarray(3 * 65_536, 4 * 65_536));
});

it("sums that are opened anew have nothing to wait for", async () => {
  const uploads = new Uploads(document, [codec]);
  uploads.open(1, 10);
  const id = uploads.announce(message);
  uploads.receive(id);
  await uploads.read(id, payloadOf(valuesOf(1), 262_144, 262_144), 10);
  uploads.discard(id);
  uploads.open(1, 10);
  await uploads.settled();
  await add(uploads, 2);
  expect(await combined(uploads)).toEqual(valuesOf(2));
});

it("means of what workers report are over examples, and left out when one reports nothing", () => {
  const uploads = new Uploads(document, [codec]);
  const ids = [uploads.announce(message), uploads.announce({ ...message, weight: 1, metrics: { loss: 4, other: 9 } })];
  expect(uploads.figures(ids, ["loss", "accuracy"])).toEqual({ examples: 4, metrics: { loss: 2.5 } });
});
