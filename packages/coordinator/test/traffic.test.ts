/** The ledger of bytes over connections that come and go. */
import type { ConnectionStats } from "@weft/transport";
import { expect, test } from "vitest";
import { Traffic, type TrafficSource } from "../src/run/traffic.ts";

/** The connection of a worker that has moved some bytes. */
function source(worker: string, receivedBytes: number): TrafficSource {
  const tally = [{ kind: "hello", codec: "", receivedBytes, sentBytes: 1 }];
  const stats: ConnectionStats = { receivedBytes, sentBytes: 1, roundTripMs: undefined, tally };
  return { worker, connection: { stats } };
}

/** Of so many sources that come and go. */
function trafficOf(sources: readonly TrafficSource[]): Traffic {
  const traffic = new Traffic();
  for (const each of sources) {
    traffic.add(each);
    traffic.ended(each);
  }
  return traffic;
}

test("bytes of one worker over many connections are one entry a kind", () => {
  const traffic = trafficOf(Array.from({ length: 50 }, () => source("w", 10)));
  expect(traffic.sinceLast()).toEqual({
    bytesUp: 500,
    bytesDown: 50,
    traffic: [{ worker: "w", kind: "hello", codec: "", bytesUp: 500, bytesDown: 50 }],
  });
  expect(traffic.sinceLast().traffic).toEqual([]);
});

test("a flood of strangers within one round makes a record of bounded length, and no byte is lost", () => {
  const strangers = 40_000;
  const traffic = trafficOf(Array.from({ length: strangers }, (_, i) => source(`worker ${i}`, 10)));
  const { bytesUp, bytesDown, traffic: entries } = traffic.sinceLast();
  expect([bytesUp, bytesDown]).toEqual([10 * strangers, strangers]);
  expect(entries.length).toBeLessThan(20_000);
  expect(entries.reduce((sum, entry) => sum + entry.bytesUp, 0)).toBe(10 * strangers);
});

test("of a connection that goes on, each time only what is new is told", () => {
  const tally = [{ kind: "hello", codec: "", receivedBytes: 5, sentBytes: 0 }];
  const stats = { receivedBytes: 5, sentBytes: 0, roundTripMs: undefined, tally };
  const traffic = new Traffic();
  const worker = { worker: "w", connection: { stats } };
  traffic.add(worker);
  expect(traffic.sinceLast()).toMatchObject({ bytesUp: 5, bytesDown: 0 });
  tally.push({ kind: "weights", codec: "f32", receivedBytes: 0, sentBytes: 7 });
  stats.sentBytes = 7;
  expect(traffic.sinceLast().traffic).toEqual([
    { worker: "w", kind: "weights", codec: "f32", bytesUp: 0, bytesDown: 7 },
  ]);
  tally[1] = { kind: "weights", codec: "f32", receivedBytes: 0, sentBytes: 9 };
  stats.sentBytes = 9;
  traffic.ended(worker);
  expect(traffic.sinceLast()).toMatchObject({ bytesUp: 0, bytesDown: 2 });
  expect(traffic.sinceLast().traffic).toEqual([]);
});
