/** What a hostile network may do to a coordinator's port: each ends with the code with which it was shown out. */
import { connect, type Socket } from "node:net";
import { decodeFrame, encodeFrame, protocolVersion } from "@weft/protocol";
import { WebSocket } from "ws";

/** Close code of a WebSocket, status of an HTTP answer, or how a bare connection ended. */
export type Ending = number | "ended" | "late";

export interface Attack {
  readonly what: string;
  readonly expected: readonly Ending[];
  readonly withinMs?: number;
  readonly run: (url: string) => Promise<Ending>;
}

const message = (body: unknown, payload?: { stream: number; bytes: number }) =>
  encodeFrame({ frame: "message", message: body, payload });

export const hello = (changes: Record<string, unknown> = {}) => ({
  kind: "hello",
  protocol: protocolVersion,
  software: "hostile",
  name: "hostile",
  capabilities: { device: "test", threads: 1, memoryBytes: 1e9, codecs: ["f32", "f16"] },
  token: "secret",
  ...changes,
});

/** A frame around header bytes that no honest encoder would write. */
export function around(header: Uint8Array): Uint8Array {
  const frame = new Uint8Array(Math.ceil((4 + header.length) / 8) * 8);
  new DataView(frame.buffer).setUint32(0, header.length, true);
  frame.set(header, 4);
  return frame;
}

export async function open(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("open", resolve));
  return socket;
}

export const ending = (socket: WebSocket) => new Promise<number>((resolve) => socket.once("close", resolve));

/** Sends these frames over a connection of its own. */
const frames =
  (...sent: readonly (Uint8Array | string)[]) =>
  async (url: string): Promise<Ending> => {
    const socket = await open(url);
    const end = ending(socket);
    for (const frame of sent) socket.send(frame);
    return end;
  };

const header = (...bytes: number[]) => around(Uint8Array.from(bytes));
const repeated = (bytes: readonly number[], count: number) => Array.from({ length: count }, () => bytes).flat();

const fourMillionMaps = new Uint8Array(4_000_016).fill(0x80);
fourMillionMaps.set([0x05, 0x09, 0x3d, 0x00, 0xdd, 0x00, 0x3d, 0x09, 0x00]);

/** The bytes of a WebSocket upgrade, up to its last line. */
const upgrade =
  "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";

function bare(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  return socket;
}

/** Speaks WebSocket over a bare connection; resolves with the code of the close frame that comes back. */
async function bareFrames(url: string, ...sent: Uint8Array[]): Promise<Ending> {
  const socket = bare(url);
  const received: Buffer[] = [];
  const end = new Promise<Ending>((resolve) => {
    socket.on("data", (data: Buffer) => {
      received.push(data);
      const all = Buffer.concat(received);
      const at = all.indexOf("\r\n\r\n") + 4;
      const close = all.subarray(at).findIndex((byte, index, bytes) => byte === 0x88 && index + 4 <= bytes.length);
      if (at >= 4 && close >= 0) resolve(all.readUInt16BE(at + close + 2));
    });
    socket.once("close", () => {
      resolve("ended");
    });
  });
  socket.write(`${upgrade}\r\n`);
  for (const bytes of sent) socket.write(bytes);
  const result = await end;
  socket.destroy();
  return result;
}

async function slowHandshake(url: string): Promise<Ending> {
  const socket = bare(url);
  let sent = 0;
  const drip = setInterval(() => socket.write(upgrade.charAt(sent++ % upgrade.length)), 100);
  await new Promise((resolve) => socket.once("close", resolve));
  clearInterval(drip);
  return "ended";
}

/** Becomes a worker, then asks for the same again and again and reads nothing. */
async function slowReader(url: string): Promise<Ending> {
  const socket = bare(url);
  socket.write(`${upgrade}\r\n`);
  await new Promise((resolve) => socket.once("data", resolve));
  socket.pause();
  socket.write(masked(message(hello())));
  for (let request = 0; request < 4; request++) {
    socket.write(masked(message({ kind: "fetch", request }, { stream: request + 1, bytes: 4 })));
    socket.write(masked(encodeFrame({ frame: "chunk", stream: request + 1, offset: 0 }, new Uint8Array(4))));
  }
  // Three heartbeats of five seconds without an answer. A paused socket does not notice its end.
  await new Promise((resolve) => setTimeout(resolve, 40_000));
  const closed = new Promise<Ending>((resolve) => {
    socket.once("close", () => {
      resolve("ended");
    });
  });
  socket.resume();
  const late = new Promise<Ending>((resolve) => setTimeout(resolve, 10_000, "late"));
  const result = await Promise.race([closed, late]);
  socket.destroy();
  return result;
}

/** A binary WebSocket frame with a mask of zeros. */
export function masked(payload: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt8(0x82, 0);
  head.writeUInt8(0x80 | 126, 1);
  head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

function upgradeStatus(url: string, headers: Record<string, string>): Promise<Ending> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, { headers });
    socket.on("error", () => undefined);
    socket.once("open", () => {
      resolve(101);
      socket.terminate();
    });
    socket.once("unexpected-response", (request, response) => {
      resolve(response.statusCode ?? 0);
      request.destroy();
    });
  });
}

/** The resume token of a worker that is let in. */
async function letIn(url: string): Promise<{ readonly socket: WebSocket; readonly resume: string }> {
  const socket = await open(url);
  const answer = new Promise<Uint8Array>((resolve) => {
    socket.once("message", (data: Buffer) => {
      resolve(new Uint8Array(data));
    });
  });
  socket.send(message(hello()));
  const { message: welcome } = decodeFrame(await answer).header as { message: { resume: string; jobHash: string } };
  // Only who has been ready for work is known by its ticket.
  socket.send(message({ kind: "ready", jobHash: welcome.jobHash }));
  return { socket, resume: welcome.resume };
}

/** Connects and asks for nothing at all; to be gone in time as well. */
async function silent(url: string): Promise<Ending> {
  const socket = bare(url).resume();
  const openedMs = performance.now();
  await new Promise((resolve) => socket.once("close", resolve));
  return performance.now() - openedMs <= 7000 ? "ended" : "late";
}

/** Says nothing, and notes whether it was shown out in time: five seconds, and what a busy machine adds. */
async function idle(url: string): Promise<Ending> {
  const socket = await open(url);
  const openedMs = performance.now();
  const code = await ending(socket);
  return performance.now() - openedMs <= 7000 ? code : "late";
}

/** The same ticket from two places: only the newest connection stands. */
async function replayedTicket(url: string): Promise<Ending> {
  const { socket, resume } = await letIn(url);
  const end = ending(socket);
  const other = await open(url);
  other.send(message(hello({ resume })));
  const code = await end;
  other.terminate();
  return code;
}

export const attacks: readonly Attack[] = [
  { what: "a header that claims 4 GiB", expected: [1009], run: frames(Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0)) },
  { what: "a frame beyond the limit", expected: [1009], run: frames(new Uint8Array(2 ** 21)) },
  {
    what: "a socket's frame that claims 2^62 bytes",
    expected: [1009],
    run: (url) => bareFrames(url, Uint8Array.of(0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4)),
  },
  {
    what: "a payload beyond its limit",
    expected: [1009],
    run: frames(message({ kind: "fetch", request: 1 }, { stream: 1, bytes: 2 ** 40 })),
  },
  { what: "nested arrays", expected: [1008], run: frames(header(...repeated([0x91], 60_000), 0xc0)) },
  { what: "nested maps", expected: [1008], run: frames(header(...repeated([0x81, 0xa1, 0x61], 20_000), 0xc0)) },
  { what: "four million empty maps", expected: [1009], run: frames(fourMillionMaps) },
  {
    what: "sixty thousand empty maps",
    expected: [1008],
    run: frames(header(0xdc, 0xea, 0x60, ...repeated([0x80], 60_000))),
  },
  { what: "a key __proto__", expected: [1008], run: frames(header(0x81, 0xa9, ...Buffer.from("__proto__"), 0x80)) },
  { what: "a key constructor", expected: [1008], run: frames(header(0x81, 0xab, ...Buffer.from("constructor"), 0x80)) },
  { what: "a record extension", expected: [1008], run: frames(header(0xd4, 0x72, 0x40)) },
  {
    what: "a cyclic extension",
    expected: [1008],
    run: frames(header(0x92, 0xd6, 0x69, 0, 0, 0, 1, 0xd6, 0x70, 0, 0, 0, 1)),
  },
  { what: "a BigInt extension", expected: [1008], run: frames(header(0xc7, 0x02, 0x42, 0x01, 0x00)) },
  { what: "text", expected: [1003], run: frames("hello") },
  {
    what: "a compressed frame, for compression was not agreed on",
    expected: [1002],
    run: (url) => bareFrames(url, Uint8Array.of(0xc2, 0x86, 0, 0, 0, 0, 0x4b, 0x4c, 0x4a, 0x06, 0x00, 0x00)),
  },
  {
    what: "131,072 fragments of one byte",
    // The attacker writes on, so that its system may not hear the farewell.
    expected: [1008, 1006],
    withinMs: 60_000,
    async run(url) {
      const socket = await open(url);
      const end = ending(socket);
      for (let index = 0; index < 131_072; index++) socket.send(Uint8Array.of(1), { fin: false });
      return end;
    },
  },
  {
    what: "a request from one who said no hello",
    expected: [1008, 1009],
    run: frames(message({ kind: "fetch", request: 1 }, { stream: 1, bytes: 4 })),
  },
  { what: "hello twice", expected: [1008], run: frames(message(hello()), message(hello())) },
  { what: "another version of the protocol", expected: [1003, 1008], run: frames(message(hello({ protocol: 99 }))) },
  { what: "no token", expected: [1008], run: frames(message(hello({ token: undefined }))) },
  { what: "a wrong token", expected: [1008], run: frames(message(hello({ token: "guess" }))) },
  { what: "a ticket from two places at once", expected: [1008], run: replayedTicket },
  {
    what: "a stream number that was used before",
    expected: [1008],
    run: frames(
      message(hello()),
      message({ kind: "fetch", request: 1 }, { stream: 3, bytes: 0 }),
      message({ kind: "fetch", request: 2 }, { stream: 3, bytes: 0 }),
    ),
  },
  {
    what: "a page of another origin",
    expected: [403],
    run: (url) => upgradeStatus(url, { origin: "https://evil.example" }),
  },
  { what: "a connection that says nothing", expected: [1008], withinMs: 30_000, run: idle },
  { what: "a socket that asks for nothing", expected: ["ended"], withinMs: 30_000, run: silent },
  { what: "a handshake byte by byte", expected: ["ended"], withinMs: 30_000, run: slowHandshake },
  { what: "a worker that reads nothing", expected: ["ended"], withinMs: 90_000, run: slowReader },
];
