import { hash } from "node:crypto";
import { createManifest, encodeVector, openCodec } from "@weft/vector";
import { expect, test } from "vitest";
import { encodeBroadcastInTurns } from "../src/versions/broadcast.ts";

test.each(["f32", "f16", "int8"] as const)(
  "a version in %s has the same bytes and hash whether or not others had their turn meanwhile",
  async (kind) => {
    const size = 6 * 2 ** 20 + 17;
    const codec = openCodec({ kind }, createManifest([{ name: "w", shape: [size], kind: "weight" }]));
    const weights = Float32Array.from({ length: size }, (_, i) => ((i * 2654435761) % 1000) / 500 - 1);
    let turns = 0;
    const counting = setInterval(() => (turns += 1), 0);
    const inTurns = await encodeBroadcastInTurns(3, weights, codec);
    clearInterval(counting);
    const { bytes } = encodeVector(codec, weights, { seed: 0 });
    expect(Buffer.compare(inTurns.bytes, bytes)).toBe(0);
    expect(inTurns).toMatchObject({ version: 3, codec: kind, hash: hash("sha256", bytes, "hex") });
    expect(turns).toBeGreaterThan(0);
  },
);
