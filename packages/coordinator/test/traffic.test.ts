/** The ledger of bytes over connections that come and go. */
import type { Connection, ConnectionStats } from "@weft/transport";
import { expect, test } from "vitest";
import { Traffic } from "../src/run/traffic.ts";

/** A connection that moved some bytes and has ended. */
function ended(receivedBytes: number): Connection {
  const tally = [{ kind: "hello", codec: "", receivedBytes, sentBytes: 1 }];
  const stats: ConnectionStats = { receivedBytes, sentBytes: 1, roundTripMs: undefined, tally };
  return { stats, closed: Promise.resolve({ code: 1006, reason: "" }) } as unknown as Connection;
}

test("bytes of one worker over many connections are one entry a kind", async () => {
  const traffic = new Traffic();
  for (let i = 0; i < 50; i++) traffic.add(ended(10), () => "w");
  await Promise.resolve();
  expect(traffic.sinceLast()).toEqual({
    bytesUp: 500,
    bytesDown: 50,
    traffic: [{ worker: "w", kind: "hello", codec: "", bytesUp: 500, bytesDown: 50 }],
  });
  expect(traffic.sinceLast().traffic).toEqual([]);
});

test("a flood of strangers within one round makes a record of bounded length, and no byte is lost", async () => {
  const traffic = new Traffic();
  const strangers = 40_000;
  for (let i = 0; i < strangers; i++) traffic.add(ended(10), () => `worker ${i}`);
  await Promise.resolve();
  const { bytesUp, bytesDown, traffic: entries } = traffic.sinceLast();
  expect([bytesUp, bytesDown]).toEqual([10 * strangers, strangers]);
  expect(entries.length).toBeLessThan(20_000);
  expect(entries.reduce((sum, entry) => sum + entry.bytesUp, 0)).toBe(10 * strangers);
});
