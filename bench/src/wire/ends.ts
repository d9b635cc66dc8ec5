/** Both ends of the wire benches: the process at the other one, bare sockets and connections to it. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { connectWebSocket, type Connection, type IncomingPayload, webSocketServerOptions } from "@weft/transport";
import { WebSocket } from "ws";
import type { PeerAnswer, PeerCommand } from "./peer.ts";
import { confirmRaw } from "./rawSocket.ts";

export interface Peer {
  readonly ports: { readonly raw: number; readonly weft: number };
  ask(command: PeerCommand): Promise<PeerAnswer>;
  stop(): void;
}

export async function startPeer(): Promise<Peer> {
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

export interface Ends {
  readonly raw: WebSocket;
  readonly link: Connection;
  /** The next payload that comes over the link, read to its end, or the next verdict. */
  arrival(): Promise<void>;
}

export function disconnect({ raw, link }: Ends): void {
  raw.terminate();
  link.close(1000, "done");
}

export const openLink = ({ ports }: Peer, heartbeatMs: number): Promise<Connection> =>
  connectWebSocket(`ws://127.0.0.1:${ports.weft}/?beat=${heartbeatMs}`, {
    ...{ accepts: "coordinator", heartbeatMs, missedHeartbeats: 1000 },
  });

/** @param confirmedBytes after so many the bare socket says that they have come */
export async function connect(
  peer: Peer,
  { heartbeatMs, confirmedBytes }: { readonly heartbeatMs: number; readonly confirmedBytes: number },
): Promise<Ends> {
  // Unmasked, as our own are on the way to this machine itself.
  const generateMask = (mask: Buffer) => mask.fill(0);
  const options = { ...webSocketServerOptions, maxPayload: 2 ** 22, generateMask };
  const raw = new WebSocket(`ws://127.0.0.1:${peer.ports.raw}`, options);
  await new Promise((resolve) => raw.once("open", resolve));
  confirmRaw(raw, () => confirmedBytes);
  const link = await openLink(peer, heartbeatMs);
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
