/** One port for everything: WebSockets of workers, `/healthz`, and whatever pages are given. */
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import { type AddressInfo, isIP } from "node:net";
import { networkInterfaces } from "node:os";
import type { Duplex } from "node:stream";
import { acceptWebSocket, type Connection, type LinkOptions, webSocketServerOptions } from "@weft/transport";
import type { Logger } from "pino";
import { WebSocketServer } from "ws";
import { ListenError } from "./errors.ts";
import type { ListenOptions, PageResponse } from "./options.ts";

export interface Server {
  /** ws:// address that workers on this machine, and on others where that is possible, can connect to. */
  readonly url: string;
  readonly close: () => Promise<void>;
}

export interface ServerContext {
  readonly link: LinkOptions;
  readonly log: Logger;
  /** Takes a connection whose origin is allowed. */
  readonly connect: (connection: Connection) => void;
  readonly connections: () => number;
  readonly health: () => Readonly<Record<string, string | number>>;
}

const defaultPort = 7700;

/** @throws {ListenError} when the address is taken or not to be had, or is open to others without a token */
export async function startServer(options: ListenOptions, context: ServerContext): Promise<Server> {
  const { host = "127.0.0.1", port = defaultPort } = options;
  checkExposure(options, host);
  const sockets = new WebSocketServer({ ...webSocketServerOptions, noServer: true, clientTracking: false });
  const http = createServer({ headersTimeout: 5000, requestTimeout: 10_000, connectionsCheckingInterval: 1000 });
  http.maxHeadersCount = 64;
  http.on("request", (request, response) => {
    answer(request, { options, context }).then(
      (page) => {
        respond(request, response, page);
      },
      (error: unknown) => {
        context.log.error({ err: error, path: request.url }, "a page failed");
        respond(request, response, plain(500, "internal error"));
      },
    );
  });
  http.on("upgrade", (request, socket, head) => {
    const refusal = refusalOf(request, options, context.connections());
    if (refusal !== undefined) {
      refuseUpgrade(socket, refusal);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const remote = `${request.socket.remoteAddress ?? "?"}:${request.socket.remotePort ?? 0}`;
      context.connect(acceptWebSocket(webSocket, { ...context.link, remote }));
    });
  });
  await bind(http, host, port);
  const address = http.address() as AddressInfo;
  return {
    url: `ws://${reachable(address)}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        http.close(() => {
          resolve();
        });
        http.closeAllConnections();
      }),
  };
}

function checkExposure({ token, allowOpen }: ListenOptions, host: string): void {
  if (isLoopback(host) || token !== undefined || allowOpen === true) return;
  throw new ListenError(
    `listening on ${host} lets in anyone who reaches this machine; give a token, or allow it on purpose (allowOpen)`,
  );
}

const isLoopback = (host: string) =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

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

function refusalOf(request: IncomingMessage, options: ListenOptions, connections: number): Refusal | undefined {
  if (pathOf(request) !== "/") return { status: 404, text: "workers connect to /" };
  if (!originAllowed(request, options)) return { status: 403, text: "this origin is not on the allow-list" };
  const { maxConnections = 1024 } = options;
  if (connections >= maxConnections) return { status: 503, text: `all ${maxConnections} connections are taken` };
  return undefined;
}

/** Programs send no origin; pages always do, and may only come from this very server or from listed ones. */
function originAllowed(request: IncomingMessage, { allowedOrigins = [], host, token }: ListenOptions): boolean {
  const { origin, host: asked = "" } = request.headers;
  if (origin === undefined || allowedOrigins.includes(origin)) return true;
  const url = URL.parse(origin);
  if (url?.host !== asked) return false;
  // A name that someone else's server made point at this machine must not pass for it.
  const open = token === undefined && isLoopback(host ?? "127.0.0.1");
  return !open || isLoopback(url.hostname.replace(/^\[(.*)\]$/, "$1"));
}

const statusTexts: Readonly<Record<number, string>> = {
  403: "Forbidden",
  404: "Not Found",
  503: "Service Unavailable",
};

function refuseUpgrade(socket: Duplex, { status, text }: Refusal): void {
  const head = `HTTP/1.1 ${status} ${statusTexts[status] ?? ""}\r\nconnection: close\r\ncontent-type: text/plain\r\n`;
  socket.on("error", () => socket.destroy());
  socket.end(`${head}content-length: ${text.length}\r\n\r\n${text}`);
}

async function answer(
  request: IncomingMessage,
  { options, context }: { readonly options: ListenOptions; readonly context: ServerContext },
): Promise<PageResponse> {
  const path = pathOf(request);
  const method = request.method ?? "GET";
  if (path === undefined) return plain(400, "malformed path");
  if (path === "/healthz" && method === "GET") {
    const headers = { "content-type": "application/json" };
    return { status: 200, headers, body: JSON.stringify({ status: "ok", ...context.health() }) };
  }
  return (await options.pages?.({ method, path })) ?? plain(404, "there is nothing here");
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
  response.writeHead(status, { ...headers, "content-length": length });
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
