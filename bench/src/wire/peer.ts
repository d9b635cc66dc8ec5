/** The coordinator's end of the wire benches: a process of its own that takes and sends what it is told to, over both kinds of socket. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { MessageOf } from "@weft/protocol";
import { acceptWebSocket, type Connection, type IncomingPayload, webSocketServerOptions } from "@weft/transport";
import type { WebSocket } from "ws";
import { WebSocketServer } from "ws";
import { payloadOf } from "./payload.ts";
import { confirmRaw, sendRaw } from "./rawSocket.ts";

/** To this process. */
export type PeerCommand =
  | { readonly ask: "sendRaw"; readonly bytes: number; readonly messageBytes: number }
  | { readonly ask: "send"; readonly bytes: number }
  | { readonly ask: "expectRaw"; readonly bytes: number }
  /** Forgets what was measured so far. */
  | { readonly ask: "forget" }
  | { readonly ask: "measures" };

/** From this process. */
export type PeerAnswer =
  | { readonly answer: "ports"; readonly raw: number; readonly weft: number }
  | { readonly answer: "measures"; readonly longestBlockMs: number; readonly peakBytes: number }
  | { readonly answer: "done" };

const answer = (message: PeerAnswer) => process.send?.(message);
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
let peakBytes = 0;
setInterval(() => (peakBytes = Math.max(peakBytes, process.memoryUsage.rss())), 5);

let rawBytes = Infinity;
let raw: WebSocket | undefined;
/** The newest. */
let link: Connection | undefined;

async function serve(attach: (sockets: WebSocketServer) => void): Promise<number> {
  const server = createServer();
  attach(new WebSocketServer({ server, ...webSocketServerOptions, maxPayload: 2 ** 22 }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

async function readAll(from: Connection, payload: IncomingPayload | undefined, round: number): Promise<void> {
  for await (const chunk of payload?.chunks() ?? []) if (chunk.length === 0) throw new Error("an empty chunk");
  void from.send({ kind: "verdict", round, attempt: 0, accepted: true, code: "accepted", reason: "" });
}

const rawPort = await serve((sockets) =>
  sockets.on("connection", (socket) => {
    raw = socket;
    confirmRaw(socket, () => rawBytes);
  }),
);
const weftPort = await serve((sockets) =>
  sockets.on("connection", (socket, { url }) => {
    const heartbeatMs = Number(/beat=(\d+)/.exec(url ?? "")?.[1]);
    const accepted = acceptWebSocket(socket, { accepts: "worker", heartbeatMs, missedHeartbeats: 1000 }, "worker");
    accepted.listen((message, payload) => {
      if (message.kind === "update") void readAll(accepted, payload, message.round);
    });
    link = accepted;
  }),
);

const hash = "0".repeat(64);
const weights: MessageOf<"weights"> = { kind: "weights", run: "bench", version: 0, codec: "f32", hash };

process.on("message", (command: PeerCommand) => {
  switch (command.ask) {
    case "expectRaw":
      rawBytes = command.bytes;
      answer({ answer: "done" });
      return;
    case "sendRaw":
      if (raw) void sendRaw(raw, command.bytes, command.messageBytes).then(() => answer({ answer: "done" }));
      return;
    case "send":
      void link?.send(weights, payloadOf(command.bytes)).then(() => answer({ answer: "done" }));
      return;
    case "forget":
      delay.reset();
      peakBytes = process.memoryUsage.rss();
      answer({ answer: "done" });
      return;
    case "measures":
      answer({ answer: "measures", longestBlockMs: delay.max / 1e6, peakBytes });
      return;
    default:
      command satisfies never;
  }
});
process.on("disconnect", () => process.exit(0));
answer({ answer: "ports", raw: rawPort, weft: weftPort });
