/** The in-memory pair passes the suite for connections, and shows what the virtual clock can. */
import { expect, test } from "vitest";
import { memoryPair } from "@weft/transport";
import { connectionSuite } from "./connectionSuite.ts";
import { committed, inbox, leave, update } from "./samples.ts";
import { settle, virtualClock } from "../../../test/support/virtualClock.ts";

connectionSuite("in memory", (options) => {
  const { onFault, maxMessagesPerSecond, ...shared } = options ?? {};
  const pair = memoryPair({
    schedule: (task) => setImmediate(task),
    ...shared,
    coordinator: {
      ...(onFault === undefined ? {} : { onFault }),
      ...(maxMessagesPerSecond === undefined ? {} : { maxMessagesPerSecond }),
    },
  });
  return Promise.resolve({
    ...pair,
    async dispose() {
      pair.sever();
      await Promise.all([pair.worker.closed, pair.coordinator.closed]);
    },
  });
});

test("a silent peer is dead after three missed heartbeats", async () => {
  const clock = virtualClock();
  const pair = memoryPair({ clock, heartbeatMs: 1000 });
  await clock.advance(10_000);
  expect(pair.worker.stats.roundTripMs).toBe(0);
  pair.hold();
  let closed = false;
  void pair.worker.closed.then(() => (closed = true));
  await clock.advance(3000);
  expect(closed).toBe(false);
  await clock.advance(1000);
  expect(await pair.worker.closed).toEqual({ code: 1008, reason: "no sign of life for 3 heartbeats of 1000 ms" });
  expect((await pair.coordinator.closed).code).toBe(1008);
});

test("a route that comes back within three heartbeats loses nothing", async () => {
  const clock = virtualClock();
  const pair = memoryPair({ clock, heartbeatMs: 1000 });
  const received = inbox(pair.coordinator);
  pair.hold();
  void pair.worker.send(leave("one"));
  void pair.worker.send(leave("two"));
  await clock.advance(2500);
  expect(received.all).toEqual([]);
  pair.release();
  await clock.advance(10_000);
  expect(received.all.map(({ message }) => message)).toEqual([leave("one"), leave("two")]);
});

test("the round trip is measured by heartbeats", async () => {
  const clock = virtualClock();
  const pair = memoryPair({ clock, heartbeatMs: 1000, schedule: (task) => clock.setTimer(task, 30) });
  expect(pair.worker.stats.roundTripMs).toBeUndefined();
  await clock.advance(1500);
  expect(pair.worker.stats.roundTripMs).toBe(60);
});

test("a round trip longer than the interval is measured whole", async () => {
  const clock = virtualClock();
  const pair = memoryPair({ clock, heartbeatMs: 1000, schedule: (task) => clock.setTimer(task, 1200) });
  await clock.advance(20_000);
  expect(pair.worker.stats.roundTripMs).toBe(2400);
});

test("a peer that is held keeps a sender's buffer within 2 MiB", async () => {
  const clock = virtualClock();
  const pair = memoryPair({ clock });
  const received = inbox(pair.coordinator);
  pair.hold();
  for (let round = 0; round < 8; round++) void pair.worker.send(update(round), new Uint8Array(4e6));
  await settle();
  expect(pair.worker.stats.sentBytes).toBeLessThan(2 * 1024 * 1024);
  expect(received.all).toEqual([]);
});

test("messages without payload to a peer that does not take them end the link instead of filling memory", async () => {
  const pair = memoryPair({ clock: virtualClock() });
  pair.hold();
  const metrics = Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`${index}`.padEnd(190, "x"), 0.1]));
  for (let round = 0; round < 500; round++) void pair.coordinator.send({ ...committed(round), metrics });
  expect(await pair.coordinator.closed).toEqual({ code: 1008, reason: "the peer does not read its messages" });
  expect(pair.coordinator.stats.sentBytes).toBeLessThan(17 * 1024 * 1024);
});

test("a severed pair closes both ends with 1006", async () => {
  const pair = memoryPair();
  pair.sever();
  expect((await pair.worker.closed).code).toBe(1006);
  expect((await pair.coordinator.closed).code).toBe(1006);
});
