/** The wire: throughput beside bare `ws` sockets, heartbeats and memory while a gigabyte passes, two processes on loopback. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { MessageOf } from "@weft/protocol";
import { type BenchOptions, type Figure, median, threeDigits } from "../figure.ts";
import { connect, disconnect, type Ends, type Peer, startPeer } from "./ends.ts";
import { atMost, heartbeatLimitMs, percentile, shortBeatMs, watchHeartbeats } from "./heartbeats.ts";
import { payloadOf } from "./payload.ts";
import { sendRaw } from "./rawSocket.ts";
import { uploaders } from "./uploaders.ts";

const turnBytes = 256 * 2 ** 20;
const gigabyte = 1000 * 2 ** 20;
/** Sizes of bare messages, of which the fastest counts. */
const rawSizes = [2 ** 18, 2 ** 20];
/** As connections have it. */
const usualBeatMs = 5000;
const blockLimitMs = 20;
const uploadersName = "wire, 20 uploaders of 200 MiB each";
const memoryLimitBytes = 64 * 2 ** 20;

export async function* wire({ filter, rounds = 7 }: BenchOptions): AsyncGenerator<Figure> {
  const peer = await startPeer();
  try {
    const ends = await connect(peer, { heartbeatMs: usualBeatMs, confirmedBytes: turnBytes });
    for (const direction of ["up", "down"] as const) {
      const name = `wire, ${direction}`;
      if (name.includes(filter)) yield { name, ...(await throughput(peer, ends, { direction, rounds })) };
    }
    disconnect(ends);
    const beating = await connect(peer, { heartbeatMs: shortBeatMs, confirmedBytes: turnBytes });
    for (const direction of ["up", "down"] as const) {
      const name = `wire, 1000 MiB ${direction}`;
      if (name.includes(filter)) yield* gigabyteFigures(peer, beating, { direction, name });
    }
    disconnect(beating);
    if (uploadersName.includes(filter)) yield* uploaders(peer, uploadersName);
  } finally {
    peer.stop();
  }
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
