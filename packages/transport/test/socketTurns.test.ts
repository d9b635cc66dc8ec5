/** Many senders at once: a turn of the event loop stays short, everyone has a share, and nobody is left behind. */
import { setImmediate } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { type Connection, connectWebSocket, SocketTurns } from "@weft/transport";
import { WebSocket } from "ws";
import { loopback, type Loopback } from "./loopback.ts";
import { committed, inbox, leave, pattern, update, weights } from "./samples.ts";
import { virtualClock } from "../../../test/support/virtualClock.ts";

const mebibyte = 2 ** 20;
const servers: Loopback[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

interface Sender {
  readonly worker: Connection;
  readonly coordinator: Connection;
  sent: Promise<void>;
  receivedBytes: number;
}

/** Connections over which as many bytes each are sent at once; the coordinator reads them all. */
async function senders(server: Loopback, count: number, bytes: number): Promise<Sender[]> {
  servers.push(server);
  const payload = new Uint8Array(bytes);
  const all: Sender[] = [];
  for (let i = 0; i < count; i++) {
    const worker = await connectWebSocket(server.address, { accepts: "coordinator" });
    const sender: Sender = { worker, coordinator: await server.next(), sent: Promise.resolve(), receivedBytes: 0 };
    sender.coordinator.listen((_, incoming) => {
      void (async () => {
        for await (const chunk of incoming?.chunks() ?? []) sender.receivedBytes += chunk.length;
      })().catch(() => undefined);
    });
    all.push(sender);
  }
  for (const sender of all) sender.sent = sender.worker.send(update(1), payload);
  return all;
}

const isDone =
  (bytes: number) =>
  ({ receivedBytes }: Sender): boolean =>
    receivedBytes === bytes;

test("however many have sent, a turn of the event loop reads its share and a chunk or two of each", async () => {
  const [count, bytes, turnBytes] = [24, 4 * mebibyte, mebibyte / 4];
  const server = await loopback({ turns: new SocketTurns({ turnBytes, turnMs: Infinity }) });
  const all = await senders(server, count, bytes);
  let [before, most] = [server.read(), 0];
  while (!all.every(isDone(bytes))) {
    await setImmediate();
    const now = server.read();
    most = Math.max(most, now - before);
    before = now;
  }
  // A socket that is paused has read a chunk of 64 KiB, and libuv hands out one more.
  expect(most).toBeLessThanOrEqual(turnBytes + count * 2 * 65_536);
  await Promise.all(all.map(({ sent }) => sent));
});

test("senders that go as fast have as much through when the first is done", async () => {
  const [count, bytes] = [12, 8 * mebibyte];
  const server = await loopback({ turns: new SocketTurns({ turnBytes: mebibyte, turnMs: Infinity }) });
  const all = await senders(server, count, bytes);
  while (!all.some(isDone(bytes))) await setImmediate();
  expect(Math.min(...all.map(({ receivedBytes }) => receivedBytes))).toBeGreaterThan(bytes / 2);
});

test("whoever is held goes on when the others have ended", async () => {
  const bytes = 8 * mebibyte;
  const server = await loopback({ turns: new SocketTurns({ turnBytes: 1, turnMs: 0 }) });
  const all = await senders(server, 10, bytes);
  const [last, ...others] = all;
  while (server.read() < 4 * mebibyte) await setImmediate();
  for (const { worker } of others) worker.close(1000, "done");
  await Promise.all(others.map(({ sent }) => sent.catch(() => undefined)));
  while (!isDone(bytes)(last!)) await setImmediate();
  await Promise.all(others.map(({ coordinator }) => coordinator.closed));
});

test("a connection that is held at every turn answers pings, sends, and is closed in good order", async () => {
  const clock = virtualClock();
  const turns = new SocketTurns({ turnBytes: 1, turnMs: 0 });
  const server = await loopback({ clock, heartbeatMs: 1000, turns });
  const [sender] = await senders(server, 1, 64 * mebibyte);
  const { worker, coordinator } = sender!;
  const received = inbox(worker);
  const down = pattern(3 * mebibyte);
  const sent = coordinator.send(weights(1), down);
  while (sender!.receivedBytes < mebibyte) await setImmediate();
  void clock.advance(1000);
  while (coordinator.stats.roundTripMs === undefined) await setImmediate();
  expect(sender!.receivedBytes).toBeLessThan(64 * mebibyte);
  expect(await (await received.next()).payload?.collect()).toEqual(down);
  await sent;
  sender!.sent.catch(() => undefined);
  coordinator.close(1000, "enough");
  expect(await worker.closed).toEqual({ code: 1000, reason: "enough" });
  expect(await coordinator.closed).toEqual({ code: 1000, reason: "enough" });
});

test("those who send at once share turns as well: each turn hands over its share and a chunk", async () => {
  const [count, bytes] = [16, 2 * mebibyte];
  const server = await loopback({ turns: new SocketTurns({ turnBytes: mebibyte, turnMs: Infinity }) });
  const all = await senders(server, count, 0);
  const payload = new Uint8Array(bytes);
  for (const { worker } of all) worker.listen((_, incoming) => void incoming?.collect());
  const handedOver = () => all.reduce((sum, { coordinator }) => sum + coordinator.stats.sentBytes, 0);
  let [before, most] = [handedOver(), 0];
  const sending = all.map(({ coordinator }) => coordinator.send(weights(1), payload));
  const finish = { isOver: false };
  void Promise.all(sending).then(() => (finish.isOver = true));
  while (!finish.isOver) {
    const now = handedOver();
    most = Math.max(most, now - before);
    before = now;
    await setImmediate();
  }
  expect(most).toBeLessThan(mebibyte + 262_144 + count * 1024);
});

test("messages that come at once are handed over turn by turn, in order, and all of them before the end is told", async () => {
  const [count, each] = [12, 20];
  const server = await loopback({ turns: new SocketTurns({ turnMs: 0 }) });
  servers.push(server);
  const all: Pick<Sender, "worker" | "coordinator">[] = [];
  for (let i = 0; i < count; i++) {
    const worker = await connectWebSocket(server.address, { accepts: "coordinator" });
    all.push({ worker, coordinator: await server.next() });
  }
  const received = all.map(({ coordinator }) => inbox(coordinator));
  const sayAll = () => {
    for (const { worker } of all) for (let i = 0; i < each; i++) void worker.send(leave(`${i}`));
  };
  const heard = () => received.reduce((sum, { all: messages }) => sum + messages.length, 0);
  let [before, most] = [0, 0];
  sayAll();
  while (heard() < count * each) {
    await setImmediate();
    most = Math.max(most, heard() - before);
    before = heard();
  }
  expect(most).toBeLessThanOrEqual(each);
  const ends = all.map(({ coordinator }, i) => coordinator.closed.then(() => received[i]!.all.length));
  sayAll();
  for (const { worker } of all) worker.close(1000, "said all");
  expect(await Promise.all(ends)).toEqual(Array<number>(count).fill(2 * each));
  const inOrder = Array.from({ length: 2 * each }, (_, i) => `${i % each}`);
  for (const { all: messages } of received) {
    expect(messages.map(({ message }) => (message.kind === "leave" ? message.reason : ""))).toEqual(inOrder);
  }
});

test("messages go out turn by turn, in order, the last words before a close included", async () => {
  const [count, each] = [12, 20];
  const server = await loopback({ turns: new SocketTurns({ turnMs: 0 }) });
  const all = await senders(server, count, 0);
  const received = all.map(({ worker }) => inbox(worker));
  const handedOver = () => all.reduce((sum, { coordinator }) => sum + coordinator.stats.sentBytes, 0);
  const before = handedOver();
  for (const { coordinator } of all) for (let i = 0; i < each; i++) void coordinator.send(committed(i + 1));
  const atOnce = handedOver() - before;
  await Promise.all(received.map((each) => each.next()));
  for (const { coordinator } of all) {
    void coordinator.send(weights(99), new Uint8Array(0));
    coordinator.close(1000, "said all");
  }
  await Promise.all(all.map(({ worker }) => worker.closed));
  for (const { all: messages } of received) {
    expect(messages.map(({ message }) => ("version" in message ? message.version : 0))).toEqual([
      ...Array.from({ length: each }, (_, i) => i + 1),
      99,
    ]);
  }
  expect(atOnce).toBeLessThan((handedOver() - before) / 10);
});

test("a ping of the WebSocket protocol is answered with its own bytes, though what it came in is given back", async () => {
  const server = await loopback();
  servers.push(server);
  const socket = new WebSocket(server.address, { perMessageDeflate: false });
  await new Promise((resolve) => socket.once("open", resolve));
  const pongs: string[] = [];
  socket.on("pong", (data) => pongs.push(data.toString()));
  socket.on("message", () => undefined);
  for (let i = 0; i < 20; i++) socket.ping(`ping ${i} ${"x".repeat(100)}`);
  while (pongs.length < 20) await setImmediate();
  expect(pongs).toEqual(Array.from({ length: 20 }, (_, i) => `ping ${i} ${"x".repeat(100)}`));
  socket.terminate();
});

test("while bulk is barred, senders of much are not read and TCP holds them back, but messages pass", async () => {
  const turns = new SocketTurns();
  const server = await loopback({ turns });
  const [count, bytes] = [8, 16 * mebibyte];
  const { promise: until, resolve: unbar } = Promise.withResolvers<undefined>();
  const all = await senders(server, count, bytes);
  while (all.some(({ receivedBytes }) => receivedBytes === 0)) await setImmediate();
  turns.barBulk(until);
  turns.barBulk(Promise.resolve());
  const before = server.read();
  const quiet = await connectWebSocket(server.address, { accepts: "coordinator" });
  const heard = inbox(await server.next());
  for (let i = 0; i < 20; i++) {
    await quiet.send(leave(`${i}`));
    expect((await heard.next()).message).toEqual(leave(`${i}`));
  }
  // What was under way in that turn, and libuv's next.
  expect(server.read() - before).toBeLessThanOrEqual(2 * mebibyte + count * 2 * 65_536);
  expect(all.some(isDone(bytes))).toBe(false);
  unbar(undefined);
  await Promise.all(all.map(({ sent }) => sent));
  while (!all.every(isDone(bytes))) await setImmediate();
  expect(turns.bar).toBeUndefined();
});
