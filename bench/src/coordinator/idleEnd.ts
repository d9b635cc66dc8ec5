/**
 * One end of many idle connections, in a process of its own: `idleEnd.ts ROLE`. Told over its channel how many more there are to
 * be, it answers with what it then holds (live bytes, after collection) and what a second of idling costs its processor.
 */
import { setTimeout } from "node:timers/promises";
import { createCoordinator } from "@weft/coordinator";
import { selectRows } from "@weft/data";
import { setBackend } from "@weft/tensor";
import { connectWebSocket } from "@weft/transport";
import { createWasmBackend } from "@weft/wasm";
import { defaultPolicy, startWorker } from "@weft/worker";
import { buildJob } from "weft";
import { WebSocket, WebSocketServer } from "ws";
import { digitsJob } from "../../../test/support/digitsJob.ts";

export type IdleRole = "coordinator" | "workers" | "plain server" | "plain clients";

export interface IdleRequest {
  /** How many more connections to make; ends that are connected to have none to make. */
  readonly more: number;
  readonly url: string;
}

export interface IdleReport {
  readonly liveBytes: number;
  readonly cpuMsPerSecond: number;
}

const watchedSeconds = 10;
const role = process.argv[2] as IdleRole;
const send = (message: unknown) => process.send?.(message);

/** Connects so many more; resolves when they are settled. */
const connect: { readonly [R in IdleRole]: (request: IdleRequest) => Promise<unknown> } = {
  coordinator: () => setTimeout(0),
  "plain server": () => setTimeout(0),
  workers: ({ more, url }) => inTurns(more, (done) => idleWorker(url, done)),
  "plain clients": ({ more, url }) =>
    inTurns(more, (done) => {
      new WebSocket(url, { perMessageDeflate: false }).once("open", done);
    }),
};

process.on("message", (request: IdleRequest) => {
  void connect[role](request).then(async () => send(await measured()));
});
process.on("disconnect", () => process.exit(0));
if (role === "coordinator") send(await listen());
else if (role === "plain server") send(await listenPlainly());
else {
  setBackend(createWasmBackend());
  send("");
}

async function inTurns(count: number, begin: (done: () => void) => void): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => begin(resolve));
}

function idleWorker(url: string, done: () => void): void {
  startWorker({
    connect: () => connectWebSocket(url, { accepts: "coordinator" }),
    ...{ name: "idle", device: "none", threads: 1, policy: defaultPolicy },
    onEvent({ event }) {
      if (event === "prepared") done();
    },
  });
}

/** Waits for more workers than ever come, so that no round opens. */
async function listen(): Promise<string> {
  setBackend(createWasmBackend());
  const job = digitsJob();
  const data = await job.definition.data.load();
  const coordinator = await createCoordinator({
    job: buildJob(job, data),
    examples: { size: data.train.size, rows: (indices) => selectRows(data.train, indices) },
    run: { expectedWorkers: 100_000, gatherMs: 1e9 },
    listen: { port: 0, maxConnections: 8192 },
  });
  return coordinator.url ?? "";
}

async function listenPlainly(): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  return typeof address === "object" && address !== null ? `ws://127.0.0.1:${address.port}` : "";
}

async function measured(): Promise<IdleReport> {
  // What connecting left behind is over by then.
  await setTimeout(1000);
  for (let i = 0; i < 4; i++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  const before = process.cpuUsage();
  await setTimeout(1000 * watchedSeconds);
  const { user, system } = process.cpuUsage(before);
  return { liveBytes: heapUsed + external, cpuMsPerSecond: (user + system) / 1000 / watchedSeconds };
}
