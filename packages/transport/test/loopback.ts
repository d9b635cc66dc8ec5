/** A WebSocket server on a loopback port whose connections the tests take one by one. */
import { createServer } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import { WebSocketServer } from "ws";
import {
  acceptWebSocket,
  webSocketServerOptions,
  type Connection,
  type LinkOptions,
  type SocketTurns,
} from "@weft/transport";

export interface Loopback {
  readonly address: string;
  readonly port: number;
  /** The next connection that was accepted. */
  next(): Promise<Connection>;
  /** Bytes that were read from the sockets of all connections that are open. */
  read(): number;
  /** Bytes that wait in the sockets of all connections. */
  buffered(): number;
  close(): Promise<void>;
}

export async function loopback(
  options: Partial<LinkOptions> & { readonly turns?: SocketTurns } = {},
): Promise<Loopback> {
  const server = createServer();
  const sockets = new WebSocketServer({ server, ...webSocketServerOptions });
  const streams = new Set<Socket>();
  const accepted: Connection[] = [];
  const waiting: ((connection: Connection) => void)[] = [];
  sockets.on("connection", (socket, request) => {
    const remote = request.socket.remoteAddress ?? "unknown";
    streams.add(request.socket);
    request.socket.once("close", () => streams.delete(request.socket));
    const connection = acceptWebSocket(socket, { accepts: "worker", ...options }, remote);
    const next = waiting.shift();
    if (next === undefined) accepted.push(connection);
    else next(connection);
  });
  const port = await listen(server);
  return {
    address: `ws://127.0.0.1:${port}`,
    port,
    next() {
      const connection = accepted.shift();
      return connection === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(connection);
    },
    read: () => [...streams].reduce((bytes, { bytesRead }) => bytes + bytesRead, 0),
    buffered: () => [...sockets.clients].reduce((bytes, client) => bytes + client.bufferedAmount, 0),
    async close() {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Starts a server, of HTTP or plain TCP, on a free loopback port. */
export function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
}
