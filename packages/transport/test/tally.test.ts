import { describe, expect, it } from "vitest";
import { memoryPair } from "../src/memory.ts";
import { accountOf, Tally } from "../src/tally.ts";
import { update } from "./samples.ts";

const bytesOf = (entries: Iterable<{ sentBytes: number; receivedBytes: number }>) => {
  const all = [...entries];
  return {
    sent: all.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
    received: all.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0),
  };
};

describe("what bytes were for", () => {
  it("adds up to all of them, on both sides, payloads under their message's name", async () => {
    const pair = memoryPair();
    const collected = Promise.withResolvers<unknown>();
    pair.coordinator.listen((_, payload) => collected.resolve(payload?.collect()));
    pair.worker.listen(() => undefined);
    await pair.worker.send(update(1), new Uint8Array(700_000));
    await collected.promise;
    for (const { stats } of [pair.worker, pair.coordinator]) {
      expect(bytesOf(stats.tally)).toEqual({ sent: stats.sentBytes, received: stats.receivedBytes });
    }
    const [entry] = [...pair.coordinator.stats.tally].filter(({ kind }) => kind === "update");
    expect(entry).toMatchObject({ kind: "update", codec: "f32", sentBytes: 0 });
    expect(entry!.receivedBytes).toBeGreaterThan(700_000);
    expect(entry!.receivedBytes).toBeLessThan(701_000);
  });

  it("names a version that is sent as a difference", () => {
    expect(accountOf({ kind: "weights", codec: "int8", delta: { from: 3 } })).toEqual({
      kind: "weights",
      codec: "int8 delta",
    });
    expect(accountOf({ kind: "hello" })).toEqual({ kind: "hello", codec: "" });
  });

  it("does not grow with the codecs that a peer makes up", () => {
    const tally = new Tally();
    for (let i = 0; i < 1000; i++) tally.count({ kind: "update", codec: String(i) }, "receivedBytes", 1);
    expect([...tally.entries()].length).toBeLessThan(70);
    expect(bytesOf(tally.entries()).received).toBe(1000);
  });
});
