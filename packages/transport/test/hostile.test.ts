/** What raw sockets can throw at a server: each is closed with a code and a reason, and nobody else notices. */
import { connect } from "node:net";
import { WebSocket } from "ws";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { encodeFrame } from "@weft/protocol";
import { connectWebSocket, type LinkFault } from "@weft/transport";
import { loopback, type Loopback } from "./loopback.ts";
import { fetchRows, inbox, leave, pattern } from "./samples.ts";

let server: Loopback;
let socket: WebSocket;
const faults: LinkFault[] = [];

beforeAll(async () => {
  server = await loopback({ onFault: (fault) => faults.push(fault) });
});
afterAll(() => server.close());
beforeEach(async () => {
  faults.length = 0;
  socket = new WebSocket(server.address, { perMessageDeflate: false });
  await new Promise((resolve) => socket.once("open", resolve));
});
afterEach(() => {
  socket.terminate();
});

const closed = () => new Promise<number>((resolve) => socket.once("close", resolve));
const message = (body: unknown, payload?: { stream: number; bytes: number }) =>
  encodeFrame({ frame: "message", message: body, payload });
const chunk = (stream: number, offset: number, bytes: number) =>
  encodeFrame({ frame: "chunk", stream, offset }, new Uint8Array(bytes));
/** A frame around header bytes that no honest encoder would write. */
const raw = (...header: number[]) => {
  const frame = new Uint8Array(8 + Math.ceil(header.length / 8) * 8);
  new DataView(frame.buffer).setUint32(0, header.length, true);
  frame.set(header, 4);
  return frame;
};

const cases: readonly [what: string, frames: readonly (Uint8Array | string)[], code: number][] = [
  ["text", ["hello"], 1003],
  ["an empty frame", [new Uint8Array(0)], 1002],
  ["a frame that is cut short", [message(leave("x")).subarray(0, 20)], 1002],
  ["a header that claims 4 GiB", [Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0)], 1009],
  ["a frame beyond the limit", [new Uint8Array(2 * 1024 * 1024)], 1009],
  ["nested arrays", [raw(...Array.from({ length: 60_000 }, () => 0x91), 0xc0)], 1008],
  ["sixty thousand empty maps", [raw(0xdc, 0xea, 0x60, ...Array.from({ length: 60_000 }, () => 0x80))], 1008],
  ["a prototype key", [raw(0x81, 0xa9, ...Buffer.from("__proto__"), 0x80)], 1008],
  ["a record extension", [raw(0xd4, 0x72, 0x40)], 1008],
  ["a BigInt", [raw(0xc7, 0x02, 0x42, 0x01, 0x00)], 1008],
  ["a frame of no known kind", [encodeFrame({ frame: "shutdown" })], 1008],
  ["raw bytes on a ping", [encodeFrame({ frame: "ping", id: 1 }, pattern(10))], 1008],
  ["a message of no known kind", [message({ kind: "shutdown" })], 1008],
  ["a coordinator's message from a worker", [message({ kind: "finished", run: "x", reason: "", metrics: {} })], 1008],
  ["an extra field", [message({ ...leave("x"), admin: true })], 1008],
  ["a payload that does not belong", [message(leave("x"), { stream: 1, bytes: 5 })], 1008],
  ["a payload that is missing", [message(fetchRows(1))], 1008],
  ["a payload beyond its limit", [message(fetchRows(1), { stream: 1, bytes: 2 ** 40 })], 1009],
  ["a chunk of no stream", [chunk(7, 0, 100)], 1008],
  ["an empty chunk", [message(fetchRows(1), { stream: 1, bytes: 100 }), chunk(1, 0, 0)], 1008],
  ["a chunk that is too short", [message(fetchRows(1), { stream: 1, bytes: 100 }), chunk(1, 0, 99)], 1008],
  ["more than was announced", [message(fetchRows(1), { stream: 1, bytes: 100 }), chunk(1, 0, 101)], 1008],
  ["a chunk at the wrong place", [message(fetchRows(1), { stream: 1, bytes: 100 }), chunk(1, 8, 100)], 1008],
  [
    "a stream number that was used before",
    [message(fetchRows(1), { stream: 3, bytes: 0 }), message(fetchRows(2), { stream: 3, bytes: 0 })],
    1008,
  ],
  [
    "too many payloads at once",
    Array.from({ length: 20 }, (_, index) => message(fetchRows(index), { stream: index + 1, bytes: 10 })),
    1008,
  ],
  ["the end of no stream", [encodeFrame({ frame: "cancel", stream: 1 })], 1008],
  ["credit for no stream", [encodeFrame({ frame: "credit", stream: 1, bytes: 1 })], 1008],
];

test.each(cases)("%s closes the link with a reason", async (_, frames, code) => {
  const connection = await server.next();
  inbox(connection);
  const end = closed();
  for (const frame of frames) socket.send(frame);
  expect(await end).toBe(code);
  expect((await connection.closed).code).toBe(code);
  expect(faults).toHaveLength(1);
  expect(faults[0]?.reason).not.toBe("");
});

test("more payload than was granted closes the link", async () => {
  const connection = await server.next();
  connection.listen(() => undefined);
  const end = closed();
  const header = {
    kind: "update",
    run: "r",
    round: 1,
    attempt: 0,
    version: 0,
    codec: "f32",
    weight: 1,
    metrics: {},
    computeMs: 0,
  };
  socket.send(message(header, { stream: 1, bytes: 100 * 262_144 }));
  for (let index = 0; index < 100; index++) socket.send(chunk(1, index * 262_144, 262_144));
  expect(await end).toBe(1008);
  expect(connection.stats.receivedBytes).toBeLessThan(1.6 * 1024 * 1024);
  expect(faults[0]?.reason).toBe("chunk: beyond the 1048576 bytes that were granted");
});

test("a message in a hundred thousand fragments closes the link", async () => {
  const connection = await server.next();
  connection.listen(() => undefined);
  const end = closed();
  for (let index = 0; index < 100_000; index++) socket.send(Uint8Array.of(1), { fin: false });
  expect(await end).toBe(1008);
});

test("a flood of the socket's own pings, whose answers nobody reads, closes the link", async () => {
  await server.next();
  const limited = await loopback({ maxMessagesPerSecond: 200 });
  const flooding = new WebSocket(limited.address, { perMessageDeflate: false });
  await new Promise((resolve) => flooding.once("open", resolve));
  const connection = await limited.next();
  connection.listen(() => undefined);
  flooding.pause();
  for (let count = 0; count < 10_000; count++) flooding.ping(new Uint8Array(125));
  expect(await connection.closed).toEqual({ code: 1008, reason: "more than 200 messages a second" });
  flooding.terminate();
  await limited.close();
});

test("a few of the socket's own pings are answered", async () => {
  const connection = await server.next();
  connection.listen(() => undefined);
  const answered = new Promise((resolve) => socket.once("pong", resolve));
  socket.ping(Uint8Array.of(1, 2, 3));
  expect(await answered).toEqual(Buffer.of(1, 2, 3));
  expect(faults).toHaveLength(0);
});

test("a compressed frame closes the link, for compression was not agreed on", async () => {
  const connection = await server.next();
  connection.listen(() => undefined);
  const bomb = connect(server.port, "127.0.0.1");
  await new Promise<void>((resolve) => {
    bomb.once("data", () => {
      resolve();
    });
    bomb.write(
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    );
  });
  const bombed = await server.next();
  bomb.write(Uint8Array.of(0xc2, 0x81, 1, 2, 3, 4, 5));
  expect((await bombed.closed).code).toBe(1002);
  bomb.destroy();
});

describe("while others misbehave", () => {
  test("an honest worker is served", async () => {
    await server.next();
    const worker = await connectWebSocket(server.address, { accepts: "coordinator" });
    const received = inbox(await server.next());
    const end = closed();
    socket.send("garbage");
    void worker.send(fetchRows(1), pattern(100));
    expect(await (await received.next()).payload?.collect()).toEqual(pattern(100));
    expect(await end).toBe(1003);
    worker.close(1000, "done");
  });
});
