/** WebSockets over loopback pass the suite for connections; failures to connect say why. */
import { createServer } from "node:http";
import { createServer as createTcpServer, type Server, Socket } from "node:net";
import { WebSocket } from "ws";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ConnectionError, connectWebSocket } from "@weft/transport";
import { connectionSuite } from "./connectionSuite.ts";
import { listen, loopback, type Loopback } from "./loopback.ts";
import { inbox, update, weights } from "./samples.ts";
import { virtualClock } from "../../../test/support/virtualClock.ts";

connectionSuite("over WebSockets", async (options) => {
  const { onFault, maxMessagesPerSecond, ...shared } = options ?? {};
  const server = await loopback({
    ...shared,
    ...(onFault === undefined ? {} : { onFault }),
    ...(maxMessagesPerSecond === undefined ? {} : { maxMessagesPerSecond }),
  });
  const worker = await connectWebSocket(server.address, { accepts: "coordinator", ...shared });
  return { worker, coordinator: await server.next(), dispose: () => server.close() };
});

const servers: Pick<Loopback, "close">[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

describe("a peer that stops reading its socket", () => {
  test("costs bounded memory, and is closed after three heartbeats", async () => {
    const clock = virtualClock();
    const server = await loopback({ clock, heartbeatMs: 1000 });
    servers.push(server);
    const socket = new WebSocket(server.address, { perMessageDeflate: false });
    const coordinator = await server.next();
    await new Promise((resolve) => socket.once("open", resolve));
    socket.pause();
    for (let version = 0; version < 16; version++) void coordinator.send(weights(version), new Uint8Array(20e6));
    // Credit alone allows 16 MiB; the socket's own buffer is what must stop it before that.
    const accepted = server.buffered();
    expect(accepted).toBeLessThan(2 * 1024 * 1024);
    for (let beat = 0; beat < 6; beat++) await clock.advance(1000);
    expect((await coordinator.closed).code).toBe(1008);
    socket.terminate();
  });
});

test("while the kernel takes no more, packets are filled; once it has all, nothing waits for a packet to be full", async () => {
  const server = await loopback();
  servers.push(server);
  const socket = new WebSocket(server.address, { perMessageDeflate: false });
  const coordinator = await server.next();
  await new Promise((resolve) => socket.once("open", resolve));
  const noDelay = vi.spyOn(Socket.prototype, "setNoDelay");
  try {
    await coordinator.send(weights(1), new Uint8Array(1000));
    expect(noDelay).not.toHaveBeenCalled();
    socket.pause();
    for (let version = 2; version < 18; version++) void coordinator.send(weights(version), new Uint8Array(20e6));
    await vi.waitFor(() => {
      expect(noDelay.mock.calls).toEqual([[false]]);
    });
    socket.resume();
    await vi.waitFor(() => {
      expect(server.buffered()).toBe(0);
      expect(noDelay).toHaveBeenLastCalledWith(true);
    });
  } finally {
    noDelay.mockRestore();
    socket.terminate();
  }
});

test("a killed peer rejects what is under way, on both ends", async () => {
  const server = await loopback();
  servers.push(server);
  const worker = await connectWebSocket(server.address, { accepts: "coordinator" });
  const coordinator = await server.next();
  const received = inbox(coordinator);
  const sent = worker.send(update(1), new Uint8Array(50e6));
  const reading = (await received.next()).payload?.collect();
  const failures = [expect(sent).rejects.toThrow(ConnectionError), expect(reading).rejects.toThrow(ConnectionError)];
  await server.close();
  await Promise.all(failures);
  expect((await worker.closed).code).toBe(1006);
});

describe("connecting fails with a reason", () => {
  const failure = async (
    address: string,
    options: Parameters<typeof connectWebSocket>[1] = { accepts: "coordinator" },
  ) => {
    const error: unknown = await connectWebSocket(address, options).then(
      () => "connected",
      (reason: unknown) => reason,
    );
    if (!(error instanceof ConnectionError)) throw new Error(`a ConnectionError expected, got ${String(error)}`);
    return error;
  };

  test.each(["", "localhost", "http://localhost", "ws:", "ws://host:99999"])("for the address %j", async (address) => {
    const error = await failure(address);
    expect(error.code).toBe("address");
    expect(error.message).toBe(`an address like ws://host:port expected, got ${JSON.stringify(address)}`);
    expect(error.retry).toBe(false);
  });

  test("when nothing listens", async () => {
    const server = createServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const error = await failure(`ws://127.0.0.1:${port}`);
    expect(error.message).toBe(`ws://127.0.0.1:${port}: nothing listens there; is the coordinator running?`);
    expect([error.code, error.retry]).toEqual(["unreachable", true]);
  });

  test.each([
    [401, "unauthorized", false],
    [403, "forbidden", false],
    [404, "not-found", false],
    [200, "http", false],
    [429, "busy", true],
    [503, "busy", true],
  ] as const)("for HTTP status %i", async (status, code, retry) => {
    const server = createServer((_, response) => response.writeHead(status).end());
    servers.push({ close: () => closeServer(server) });
    const port = await listen(server);
    const error = await failure(`ws://127.0.0.1:${port}/join?token=secret`);
    expect([error.code, error.retry]).toEqual([code, retry]);
    expect(error.message).toContain(String(status));
    expect(error.message).not.toContain("secret");
  });

  test("for wss:// to a server without TLS", async () => {
    const server = createServer();
    servers.push({ close: () => closeServer(server) });
    const error = await failure(`wss://127.0.0.1:${await listen(server)}`);
    expect([error.code, error.retry]).toEqual(["tls", false]);
  });

  test("when something else answers, or nobody", async () => {
    const babble = createTcpServer((socket) => {
      socket.on("error", () => undefined).resume();
      socket.end("220 mail.example.org ESMTP\r\n\r\n");
    });
    const mute = createTcpServer((socket) => socket.on("error", () => undefined).resume());
    for (const server of [babble, mute]) servers.push({ close: () => closeServer(server) });
    expect((await failure(`ws://127.0.0.1:${await listen(babble)}`)).code).toBe("http");
    const options = { accepts: "coordinator", timeoutMs: 50 } as const;
    const error = await failure(`ws://127.0.0.1:${await listen(mute)}`, options);
    expect([error.code, error.retry]).toEqual(["timeout", true]);
  });

  test("when the caller gives up, before or during the attempt", async () => {
    const mute = createTcpServer((socket) => socket.on("error", () => undefined).resume());
    servers.push({ close: () => closeServer(mute) });
    const address = `ws://127.0.0.1:${await listen(mute)}`;
    expect((await failure(address, { accepts: "coordinator", signal: AbortSignal.abort() })).code).toBe("aborted");
    const abort = new AbortController();
    const pending = failure(address, { accepts: "coordinator", signal: abort.signal });
    setImmediate(() => {
      abort.abort();
    });
    expect((await pending).code).toBe("aborted");
  });
});

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    if ("closeAllConnections" in server) (server as { closeAllConnections(): void }).closeAllConnections();
    server.close(() => {
      resolve();
    });
  });
}
