/** One port for everything: WebSockets of workers, the HTTP API, and whatever pages are given; plain or over TLS. */
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import type { Duplex } from "node:stream";
import { type AcceptedConnection, acceptWebSocket, type LinkOptions, webSocketServerOptions } from "@weft/transport";
import type { Logger } from "pino";
import { type WebSocket, WebSocketServer } from "ws";
import type { Admission } from "../admission.ts";
import { ListenError } from "../errors.ts";
import type { ListenOptions, PageResponse } from "../options.ts";
import { bearerOf, checkExposure, originAllowed, travelsInClear } from "./exposure.ts";
import { type HttpRequest, readBody } from "./httpRequest.ts";
import { type AddressLimits, addressLimits } from "./limits.ts";

export interface Server {
  /** ws:// or wss:// address that workers on this machine, and on others where that is possible, can connect to. */
  readonly url: string;
  readonly close: () => Promise<void>;
}

export interface ServerContext {
  readonly link: Omit<LinkOptions, "onClosed">;
  readonly log: Logger;
  readonly admission: Admission;
  readonly nowMs: () => number;
  /** Takes connections whose origin is allowed, and is told of their end. */
  readonly entrance: {
    enter(connection: AcceptedConnection): void;
    left(connection: AcceptedConnection): void;
  };
  /** Answers what is no page; undefined where there is nothing. */
  readonly answer: (request: HttpRequest) => Promise<PageResponse | undefined>;
}

const defaultPort = 7700;
/** Sockets beyond those of workers: requests under way, and those that have not said what they want. */
const spareSockets = 256;
/** Who has not asked for anything by then is gone within five seconds. */
const handshakeMs = 4000;

/** @throws {ListenError} when the address is taken or not to be had, or is open to others without a token */
export async function startServer(options: ListenOptions, context: ServerContext): Promise<Server> {
  const { host = "127.0.0.1", port = defaultPort, maxConnections = 1024 } = options;
  checkExposure(options, host);
  if (travelsInClear(options, host)) {
    context.log.warn(
      { host },
      "without TLS, tokens and weights can be read on their way; give a certificate and a key",
    );
  }
  const sockets = new WebSocketServer({ ...webSocketServerOptions, noServer: true, clientTracking: false });
  const http = openServer(options);
  http.maxHeadersCount = 64;
  http.maxConnections = maxConnections + spareSockets;
  const door = new Door(options, context);
  const { entrance } = context;
  const link: LinkOptions = {
    ...context.link,
    onClosed: (connection) => {
      door.leave(connection.remote.slice(0, connection.remote.lastIndexOf(":")));
      entrance.left(connection);
    },
  };
  http.on("request", (request, response) => {
    answerRequest(request, response, { options, context, limits: door.limits });
  });
  http.on("upgrade", (request, socket, head) => {
    const refusal = door.enter(request);
    if (refusal !== undefined) {
      refuseUpgrade(socket, refusal);
      return;
    }
    const address = addressOf(request);
    const webSocket = upgrade(sockets, { request, socket, head });
    if (webSocket === undefined) door.leave(address);
    else entrance.enter(acceptWebSocket(webSocket, link, remoteOf(address, request.socket.remotePort)));
  });
  await bind(http, host, port);
  const address = http.address() as AddressInfo;
  return {
    url: `${options.tls === undefined ? "ws" : "wss"}://${reachable(address)}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        http.close(() => {
          resolve();
        });
        http.closeAllConnections();
      }),
  };
}

/** Undefined where the request was none for a WebSocket, which it has then been told. */
function upgrade(
  sockets: WebSocketServer,
  { request, socket, head }: { readonly request: IncomingMessage; readonly socket: Duplex; readonly head: Buffer },
): WebSocket | undefined {
  let opened: WebSocket | undefined;
  sockets.handleUpgrade(request, socket, head, (webSocket) => {
    opened = webSocket;
  });
  return opened;
}

const addressOf = (request: IncomingMessage) => request.socket.remoteAddress ?? "?";

/** Joined, not added: a sum of strings keeps its parts, of which there would be some for each connection. */
const remoteOf = (address: string, port = 0) => [address, port].join(":");

function openServer({ tls }: ListenOptions): HttpServer {
  const timeouts = { headersTimeout: handshakeMs, requestTimeout: 10_000, connectionsCheckingInterval: 500 };
  if (tls === undefined) return createServer(timeouts);
  try {
    return createTlsServer({ ...timeouts, ...tls, handshakeTimeout: handshakeMs });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ListenError(`the certificate and its key cannot be used (${reason}); both are expected in PEM`, {
      cause,
    });
  }
}

function bind(http: HttpServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once("error", (cause: NodeJS.ErrnoException) => {
      reject(new ListenError(explain(cause, host, port), { cause }));
    });
    http.listen({ host, port }, resolve);
  });
}

function explain({ code = "", message }: NodeJS.ErrnoException, host: string, port: number): string {
  if (code === "EADDRINUSE") return `port ${port} on ${host} is in use; choose another, or 0 for any free one`;
  if (code === "EACCES") return `port ${port} on ${host} may not be used by this user; choose one above 1023`;
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") return `${host} is not an address of this machine`;
  return `cannot listen on ${host}:${port}: ${message}`;
}

interface Refusal {
  readonly status: number;
  readonly text: string;
}

/** Lets WebSockets in, and counts them. */
class Door {
  readonly limits: AddressLimits;
  readonly #options: ListenOptions;
  readonly #admission: Admission;
  #open = 0;

  constructor(options: ListenOptions, { admission, nowMs }: ServerContext) {
    this.#options = options;
    this.#admission = admission;
    this.limits = addressLimits(options.perAddress ?? {}, nowMs);
  }

  /** Why it may not come in; one that may is to be counted out again. */
  enter(request: IncomingMessage): Refusal | undefined {
    if (pathOf(request) !== "/") return { status: 404, text: "workers connect to /" };
    if (!originAllowed(request.headers, this.#options)) {
      return { status: 403, text: "this origin is not on the allow-list" };
    }
    const token = bearerOf(request.headers);
    if (token !== undefined && !this.#admission.allows(token, "worker")) {
      return { status: 401, text: "the token is wrong" };
    }
    const { maxConnections = 1024 } = this.#options;
    if (this.#open >= maxConnections) return { status: 503, text: `all ${maxConnections} connections are taken` };
    const text = this.limits.connect(addressOf(request));
    if (text !== undefined) return { status: 429, text };
    this.#open += 1;
    return undefined;
  }

  leave(address: string): void {
    this.#open -= 1;
    this.limits.disconnect(address);
  }
}

const statusTexts: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  429: "Too Many Requests",
  503: "Service Unavailable",
};

function refuseUpgrade(socket: Duplex, { status, text }: Refusal): void {
  const head = `HTTP/1.1 ${status} ${statusTexts[status] ?? ""}\r\nconnection: close\r\ncontent-type: text/plain\r\n`;
  socket.on("error", () => socket.destroy());
  socket.end(`${head}content-length: ${text.length}\r\n\r\n${text}`);
}

interface Answering {
  readonly options: ListenOptions;
  readonly context: ServerContext;
  readonly limits: AddressLimits;
}

function answerRequest(request: IncomingMessage, response: ServerResponse, answering: Answering): void {
  pageFor(request, answering).then(
    (page) => {
      respond(request, response, page);
    },
    (error: unknown) => {
      answering.context.log.error({ err: error, path: request.url }, "a request could not be answered");
      respond(request, response, plain(500, "internal error"));
    },
  );
}

async function pageFor(request: IncomingMessage, { options, context, limits }: Answering): Promise<PageResponse> {
  if (!limits.request(addressOf(request))) {
    return { ...plain(429, "too many requests a second from this address"), headers: { "retry-after": "1" } };
  }
  const path = pathOf(request);
  const { method = "GET", headers } = request;
  if (path === undefined) return plain(400, "malformed path");
  const query = new URLSearchParams(request.url?.split("?")[1]);
  const answer = await context.answer({ method, path, query, headers, body: () => readBody(request) });
  return answer ?? (await options.pages?.({ method, path })) ?? plain(404, "there is nothing here");
}

function pathOf(request: IncomingMessage): string | undefined {
  const raw = (request.url ?? "/").split("?")[0] ?? "/";
  try {
    return decodeURIComponent(raw);
  } catch {
    return undefined;
  }
}

const plain = (status: number, body: string): PageResponse => ({
  status,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body,
});

function respond(request: IncomingMessage, response: ServerResponse, { status, headers, body }: PageResponse): void {
  const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  // What was not read of a refused request is not waited for.
  const ending = request.complete ? {} : { connection: "close" };
  response.writeHead(status, { ...headers, ...ending, "content-length": length });
  response.end(request.method === "HEAD" ? undefined : body);
}

/** For an address that stands for all of them: the first through which other machines can come. */
function reachable({ address, family }: AddressInfo): string {
  if (address !== "0.0.0.0" && address !== "::") return family === "IPv6" ? `[${address}]` : address;
  const outward = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .find(({ internal, family: kind }) => !internal && kind === "IPv4");
  return outward?.address ?? "127.0.0.1";
}
