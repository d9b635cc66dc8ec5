/** The wire: throughput beside bare `ws` sockets, heartbeats and memory while a gigabyte passes, two processes on loopback. */
import { fork } from "node:child_process";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import type { MessageOf } from "@weft/protocol";
import { connectWebSocket, type Connection, type IncomingPayload, webSocketServerOptions } from "@weft/transport";
import { WebSocket } from "ws";
import { type Figure, median, threeDigits } from "../figure.ts";
import { payloadOf } from "./payload.ts";
import type { PeerAnswer, PeerCommand } from "./peer.ts";
import { confirmRaw, sendRaw } from "./rawSocket.ts";

const turnBytes = 256 * 2 ** 20;
const gigabyte = 1000 * 2 ** 20;
/** Sizes of bare messages, of which the fastest counts. */
const rawSizes = [2 ** 18, 2 ** 20];
/** As connections have it, and to have many of them within seconds. */
const [usualBeatMs, shortBeatMs] = [5000, 10];
const heartbeatLimitMs = 50;
const blockLimitMs = 20;
const memoryLimitBytes = 64 * 2 ** 20;

export async function* wire({
  filter,
  rounds = 7,
}: {
  filter: string;
  rounds: number | undefined;
}): AsyncGenerator<Figure> {
  const peer = await startPeer();
  try {
    const ends = await connect(peer, usualBeatMs);
    for (const direction of ["up", "down"] as const) {
      const name = `wire, ${direction}`;
      if (name.includes(filter)) yield { name, ...(await throughput(peer, ends, { direction, rounds })) };
    }
    disconnect(ends);
    const beating = await connect(peer, shortBeatMs);
    for (const direction of ["up", "down"] as const) {
      const name = `wire, 1000 MiB ${direction}`;
      if (name.includes(filter)) yield* gigabyteFigures(peer, beating, { direction, name });
    }
    disconnect(beating);
  } finally {
    peer.stop();
  }
}

interface Peer {
  readonly ports: { readonly raw: number; readonly weft: number };
  ask(command: PeerCommand): Promise<PeerAnswer>;
  stop(): void;
}

async function startPeer(): Promise<Peer> {
  const child = fork(fileURLToPath(new URL("peer.ts", import.meta.url)), { execArgv: process.execArgv });
  const next = () => new Promise<PeerAnswer>((resolve) => child.once("message", resolve));
  const ports = await next();
  if (ports.answer !== "ports") throw new Error("the peer begins with its ports");
  return {
    ports,
    ask(command) {
      const answered = next();
      child.send(command);
      return answered;
    },
    stop: () => child.disconnect(),
  };
}

interface Ends {
  readonly raw: WebSocket;
  readonly link: Connection;
  /** The next payload that comes over the link, read to its end, or the next verdict. */
  arrival(): Promise<void>;
}

function disconnect({ raw, link }: Ends): void {
  raw.terminate();
  link.close(1000, "done");
}

async function connect({ ports }: Peer, heartbeatMs: number): Promise<Ends> {
  // Unmasked, as our own are on the way to this machine itself.
  const generateMask = (mask: Buffer) => mask.fill(0);
  const options = { ...webSocketServerOptions, maxPayload: 2 ** 22, generateMask };
  const raw = new WebSocket(`ws://127.0.0.1:${ports.raw}`, options);
  await new Promise((resolve) => raw.once("open", resolve));
  confirmRaw(raw, () => turnBytes);
  const address = `ws://127.0.0.1:${ports.weft}/?beat=${heartbeatMs}`;
  const link = await connectWebSocket(address, { accepts: "coordinator", heartbeatMs, missedHeartbeats: 1000 });
  let arrived = Promise.withResolvers<undefined>();
  const noteEnd = async (payload: IncomingPayload | undefined) => {
    for await (const chunk of payload?.chunks() ?? []) if (chunk.length === 0) throw new Error("an empty chunk");
    arrived.resolve(undefined);
  };
  link.listen((_, payload) => void noteEnd(payload));
  return {
    raw,
    link,
    async arrival() {
      await arrived.promise;
      arrived = Promise.withResolvers();
    },
  };
}

type Direction = "up" | "down";

async function throughput(
  peer: Peer,
  ends: Ends,
  { direction, rounds }: { readonly direction: Direction; readonly rounds: number },
): Promise<Omit<Figure, "name">> {
  await peer.ask({ ask: "expectRaw", bytes: turnBytes });
  const rates: { readonly ours: number; readonly raw: readonly number[] }[] = [];
  for (let round = -1; round < rounds; round++) {
    const raw = await inTurn(rawSizes, (size) => rate(() => moveRaw(peer, ends, { direction, size })));
    const ours = await rate(() => move(peer, ends, { direction, bytes: turnBytes }));
    if (round >= 0) rates.push({ ours, raw });
  }
  const ratios = rawSizes.map((_, at) => median(rates.map(({ ours, raw }) => ours / (raw[at] ?? NaN))));
  return {
    value: threeDigits(median(rates.map(({ ours }) => ours))),
    unit: "GB/s",
    vs: "bare ws messages of 256 KiB or 1 MiB",
    ratio: threeDigits(Math.min(...ratios)),
  };
}

async function inTurn<T, R>(items: readonly T[], task: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await task(item));
  return results;
}

/** In GB/s. */
async function rate(transfer: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await transfer();
  return turnBytes / 1e6 / (performance.now() - startedMs);
}

async function moveRaw(peer: Peer, { raw }: Ends, how: { direction: Direction; size: number }): Promise<void> {
  if (how.direction === "up") await sendRaw(raw, turnBytes, how.size);
  else await peer.ask({ ask: "sendRaw", bytes: turnBytes, messageBytes: how.size });
}

const update: MessageOf<"update"> = {
  kind: "update",
  run: "bench",
  round: 1,
  attempt: 0,
  version: 0,
  codec: "f32",
  weight: 1,
  metrics: {},
  computeMs: 1,
};

async function move(peer: Peer, ends: Ends, { direction, bytes }: { direction: Direction; bytes: number }) {
  const arrival = ends.arrival();
  if (direction === "up") void ends.link.send(update, payloadOf(bytes));
  else await peer.ask({ ask: "send", bytes });
  await arrival;
}

/** What else happens while a gigabyte passes: heartbeats, blocks of either event loop, memory of either process. */
async function* gigabyteFigures(
  peer: Peer,
  ends: Ends,
  { direction, name }: { readonly direction: Direction; readonly name: string },
): AsyncGenerator<Figure> {
  await peer.ask({ ask: "forget" });
  const beats = watchHeartbeats(ends.link);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let peakBytes = process.memoryUsage.rss();
  const before = peakBytes;
  const started = await peer.ask({ ask: "measures" });
  const sampling = setInterval(() => (peakBytes = Math.max(peakBytes, process.memoryUsage.rss())), 5);
  await move(peer, ends, { direction, bytes: gigabyte });
  clearInterval(sampling);
  const ended = await peer.ask({ ask: "measures" });
  if (started.answer !== "measures" || ended.answer !== "measures") throw new Error("the peer answers with measures");
  const times = beats();
  yield atMost(`${name}, heartbeats at the 99th percentile of ${times.length}`, percentile(times, 0.99), {
    limit: heartbeatLimitMs,
    unit: "ms",
  });
  const longest = Math.max(delay.max / 1e6, ended.longestBlockMs);
  yield atMost(`${name}, longest block of an event loop`, longest, { limit: blockLimitMs, unit: "ms" });
  const grown = Math.max(peakBytes - before, ended.peakBytes - started.peakBytes);
  yield atMost(`${name}, memory added`, Math.max(1, grown / 2 ** 20), {
    limit: memoryLimitBytes / 2 ** 20,
    unit: "MiB",
  });
}

const atMost = (name: string, value: number, { limit, unit }: { limit: number; unit: string }): Figure => ({
  name,
  value: threeDigits(value),
  unit,
  vs: `a limit of ${limit} ${unit}`,
  ratio: threeDigits(limit / value),
});

/** Round-trip times of the heartbeats from now until the result is called. */
function watchHeartbeats(link: Connection): () => number[] {
  const times: number[] = [];
  const timer = setInterval(() => {
    const { roundTripMs } = link.stats;
    if (roundTripMs !== undefined && roundTripMs !== times.at(-1)) times.push(roundTripMs);
  }, 2);
  return () => {
    clearInterval(timer);
    return times;
  };
}

const percentile = (values: readonly number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? NaN;
