/** Versions that come as differences from others which a worker holds, or is about to hold. */
import { systemClock, type IncomingPayload } from "@weft/transport";
import { createManifest, encodeDelta, encodeVector, openCodec } from "@weft/vector";
import { expect, test } from "vitest";
import { Downloads } from "../src/downloads.ts";
import { sha256 } from "../src/hash.ts";
import { createTurns } from "../src/turns.ts";
import { Versions } from "../src/versions.ts";

const size = 200_000;
const down = openCodec({ kind: "int8" }, createManifest([{ name: "w", shape: [size] }]));
const whole = { index: 0, start: 0, end: size, codec: down, encoded: { from: 0, to: down.encodedBytes } };
const decoding = { job: { fragments: [whole], codecs: { down } }, turns: createTurns(systemClock, 0) };
const sent = { kind: "weights", run: "r", codec: down.text } as const;

const encodedAs = (scale: number) =>
  encodeVector(
    down,
    Float32Array.from({ length: size }, (_, i) => scale * Math.sin(i)),
    { seed: 0 },
  ).bytes;

const payloadOf = (bytes: Uint8Array): IncomingPayload => ({
  bytes: bytes.length,
  // eslint-disable-next-line @typescript-eslint/require-await -- chunks come as they would from a connection
  async *chunks() {
    yield bytes;
  },
  collect: () => Promise.resolve(bytes),
  discard: () => undefined,
});

test("a version that comes while the one it differs from is still being decoded is put together all the same", async () => {
  const versions = new Versions(new Downloads());
  const [first, second] = [encodedAs(1), encodedAs(1.001)];
  const delta = Buffer.concat([...encodeDelta(down, first, second)]);
  const hash = await sha256(second);
  const decoded = versions.receive({ ...sent, version: 0, hash: await sha256(first) }, payloadOf(first), decoding);
  const follows = { ...sent, version: 1, hash, delta: { from: 0, hash: await sha256(delta) } };
  void versions.receive(follows, payloadOf(delta), decoding);
  expect(await versions.of(1, hash)).toHaveLength(size);
  await decoded;
});

test("the newest two versions are held, however far apart they are", async () => {
  const versions = new Versions(new Downloads());
  for (const version of [0, 3, 7]) {
    const bytes = encodedAs(1 + version);
    await versions.receive({ ...sent, version, hash: await sha256(bytes) }, payloadOf(bytes), decoding);
  }
  expect(versions.held().map(({ version }) => version)).toEqual([3, 7]);
});
