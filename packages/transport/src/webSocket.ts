/** Connections over the `ws` package: a server's accepted sockets, and a client. */
import { WebSocket } from "ws";
import { parseAddress, showAddress } from "./address.ts";
import { systemClock } from "./clock.ts";
import type { ConnectOptions } from "./connectOptions.ts";
import type { AcceptedConnection, Connection } from "./connection.ts";
import { ConnectionError, type ConnectionErrorCode } from "./errors.ts";
import { Link, type LinkOptions } from "./link.ts";
import type { SocketTurns } from "./socketTurns.ts";
import { WebSocketCarrier, socketOptions } from "./webSocketCarrier.ts";

export interface AcceptOptions extends LinkOptions {
  /** Whom it shares the event loop with; all of its thread by default. */
  readonly turns?: SocketTurns;
}

/** What Node can be told besides: browsers have certificates of their own. */
export interface NodeConnectOptions extends ConnectOptions {
  /** Certificates in PEM to trust for wss:// instead of the system's: the server's own, or its authority's. */
  readonly ca?: string;
}

/** To be spread into the options of a `WebSocketServer` whose sockets go to `acceptWebSocket`. */
export const webSocketServerOptions = socketOptions;

/**
 * A connection over a socket that a `WebSocketServer` has just accepted; call it within the server's callback.
 *
 * @param options are kept: the same object serves all connections of a server
 * @param remote for logs: the address of the other side
 */
export function acceptWebSocket(socket: WebSocket, options: AcceptOptions, remote: string): AcceptedConnection {
  return linkOver(socket, options, { remote, turns: options.turns });
}

/**
 * Opens a connection to ws:// or wss:// `address`.
 *
 * @throws {ConnectionError} saying why there is none; its `retry` says whether to try again
 */
export function connectWebSocket(address: string, options: NodeConnectOptions): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  let url: URL;
  try {
    url = parseAddress(address);
  } catch (error) {
    if (error instanceof ConnectionError) return Promise.reject(error);
    throw error;
  }
  const remote = showAddress(url);
  const handshakeTimeout = options.timeoutMs ?? 10_000;
  const { ca } = options;
  const socket = new WebSocket(url, {
    ...socketOptions,
    handshakeTimeout,
    ...(ca === undefined ? {} : { ca }),
    ...(needsMask(url) ? {} : unmasked),
  });
  const abort = () => {
    reject(new ConnectionError("aborted", `${remote}: connecting was given up`));
    socket.terminate();
  };
  if (options.signal?.aborted === true) abort();
  options.signal?.addEventListener("abort", abort);
  const fail = (error: NodeJS.ErrnoException) => {
    reject(connectError(remote, error));
  };
  socket.once("error", fail);
  socket.once("unexpected-response", (request, response) => {
    reject(statusError(remote, response.statusCode ?? 0));
    request.destroy();
  });
  socket.once("close", () => options.signal?.removeEventListener("abort", abort));
  socket.once("open", () => {
    options.signal?.removeEventListener("abort", abort);
    const link = linkOver(socket, options, { remote });
    socket.off("error", fail);
    resolve(link);
  });
  return promise;
}

/**
 * A client's frames are masked so that what it is made to send cannot be taken for something else by whoever is between
 * (RFC 6455, 10.3). Nobody is, within TLS or on the way to this machine itself, and a mask of zeros costs nothing.
 */
const needsMask = ({ protocol, hostname }: URL) =>
  protocol !== "wss:" && !/^(localhost|127\..*|\[::1\])$/.test(hostname);

const unmasked = {
  generateMask: (mask: Buffer) => {
    mask.fill(0);
  },
};

function linkOver(
  socket: WebSocket,
  options: LinkOptions,
  how: { remote: string; turns?: SocketTurns | undefined },
): Link {
  const carrier = new WebSocketCarrier(socket, { ...how, clock: options.clock ?? systemClock });
  const link = new Link(carrier, options);
  carrier.attach(link);
  return link;
}

const statusCodes: Readonly<Record<number, readonly [ConnectionErrorCode, string]>> = {
  401: ["unauthorized", "a valid token is needed (401); ask whoever runs the coordinator for one"],
  403: ["forbidden", "this machine or page may not connect (403); the coordinator's allow-list decides"],
  404: ["not-found", "there is no coordinator at this path (404); check the address"],
};

function statusError(remote: string, status: number): ConnectionError {
  const [code, text] = statusCodes[status] ?? [
    status === 429 || status >= 500 ? "busy" : "http",
    `a WebSocket expected, the server answered with HTTP status ${status}`,
  ];
  return new ConnectionError(code, `${remote}: ${text}`);
}

function connectError(remote: string, error: NodeJS.ErrnoException): ConnectionError {
  const [code, text] = explain(error);
  return new ConnectionError(code, `${remote}: ${text}`, { cause: error });
}

function explain(error: NodeJS.ErrnoException): readonly [ConnectionErrorCode, string] {
  const code = error.code ?? "";
  if (code === "ECONNREFUSED") return ["unreachable", "nothing listens there; is the coordinator running?"];
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return ["unreachable", "the host name is not known; check the address"];
  if (error.message.includes("timed out") || code === "ETIMEDOUT") return ["timeout", "no answer in time"];
  if (/CERT|TLS|SSL|EPROTO|UNABLE_TO_VERIFY/.test(code)) {
    return [
      "tls",
      `no secure connection (${error.message}); wss:// needs a server with a certificate that this machine trusts (--ca FILE names one)`,
    ];
  }
  if (code.startsWith("HPE_") || code === "") return ["http", `no WebSocket server there (${error.message})`];
  return ["unreachable", `cannot be reached (${error.message})`];
}
