import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { connectWebSocket } from "@weft/transport";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Coordinator, createCoordinator, type ListenOptions } from "../src/index.ts";
import { examples, FakeWorker, makeJob } from "./harness.ts";

const open: Coordinator[] = [];
afterEach(async () => {
  for (const coordinator of open.splice(0)) await coordinator.abort();
});

async function listen(options: ListenOptions = {}): Promise<{ coordinator: Coordinator; http: string; url: string }> {
  const job = makeJob({ size: 100, stop: { rounds: 2 } });
  const coordinator = await createCoordinator({ job, examples, listen: { port: 0, ...options } });
  open.push(coordinator);
  const url = coordinator.url!;
  return { coordinator, url, http: url.replace("ws:", "http:") };
}

/** What comes back for bytes that no client library would send, until the connection ends. */
function answerTo(url: string, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(bytes));
    socket.on("data", (data) => (answer += data.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      resolve(answer);
    });
  });
}

/** The status with which an upgrade is answered, 101 when it succeeds. */
function upgradeStatus(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { headers });
    socket.once("open", () => {
      resolve(101);
      socket.terminate();
    });
    socket.once("unexpected-response", (sent, response) => {
      resolve(response.statusCode ?? 0);
      sent.destroy();
    });
    socket.once("error", reject);
  });
}

describe("the port", () => {
  it("carries workers over WebSockets to the end of a run", async () => {
    const { coordinator, url } = await listen();
    const worker = new FakeWorker(await connectWebSocket(url, { accepts: "coordinator" }));
    const outcome = await coordinator.finished;
    expect(outcome.rounds).toBe(2);
    expect((await worker.closed).code).toBe(1000);
    await expect(fetch(url.replace("ws:", "http:"))).rejects.toThrow();
  });

  it("answers /healthz, given pages, and 404 for the rest", async () => {
    const { http } = await listen({
      pages: ({ path }) => (path === "/join" ? { status: 200, headers: { "x-page": "1" }, body: "hello" } : undefined),
    });
    expect(await (await fetch(`${http}/healthz`)).json()).toEqual({ status: "ok", runs: 1, workers: 0 });
    const page = await fetch(`${http}/join?x=1`);
    expect([page.status, page.headers.get("x-page"), await page.text()]).toEqual([200, "1", "hello"]);
    expect((await fetch(`${http}/join`, { method: "HEAD" })).status).toBe(200);
    expect((await fetch(`${http}/other`)).status).toBe(404);
    expect((await fetch(`${http}/%`)).status).toBe(400);
  });

  it("answers 500 without a trace of why when a page fails", async () => {
    const { http } = await listen({ pages: () => Promise.reject(new Error("secret")) });
    const page = await fetch(`${http}/join`);
    expect([page.status, await page.text()]).toEqual([500, "internal error"]);
  });

  it("lets in programs and its own pages, and other origins only by the list", async () => {
    const { url } = await listen({ allowedOrigins: ["https://friend.example"] });
    const { port } = new URL(url);
    expect(await upgradeStatus(url, {})).toBe(101);
    expect(await upgradeStatus(url, { origin: `http://127.0.0.1:${port}` })).toBe(101);
    expect(await upgradeStatus(url, { origin: "https://friend.example" })).toBe(101);
    expect(await upgradeStatus(url, { origin: "https://evil.example" })).toBe(403);
    // A name of the attacker's that resolves to this machine.
    expect(await upgradeStatus(url, { origin: `http://evil.example:${port}`, host: `evil.example:${port}` })).toBe(403);
    expect(await upgradeStatus(`${url}/elsewhere`, {})).toBe(404);
  });

  it("turns connections beyond its limit away", async () => {
    const { url, coordinator } = await listen({ maxConnections: 1 });
    const held = await connectWebSocket(url, { accepts: "coordinator" });
    expect(await upgradeStatus(url, {})).toBe(503);
    held.close(1000, "");
    await coordinator.abort();
  });

  it("closes a connection that sends what is no frame, and stays up", async () => {
    const { url, http } = await listen();
    const socket = new WebSocket(url);
    const code = await new Promise((resolve) => {
      socket.once("open", () => {
        socket.send(new Uint8Array(100).fill(255));
      });
      socket.once("close", resolve);
    });
    expect(code).toBe(1009);
    expect((await fetch(`${http}/healthz`)).status).toBe(200);
  });

  it("answers requests that two servers would cut differently with 400, and reads no further", async () => {
    const { url } = await listen();
    const head = "POST /api/runs HTTP/1.1\r\nHost: x\r\n";
    const smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    const twoLengths = `${head}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`;
    const lengthTwice = `${head}Content-Length: 0\r\nContent-Length: 40\r\n\r\n${smuggled}`;
    const bareLineFeeds = `${head.replaceAll("\r\n", "\n")}Content-Length: 0\n\n${smuggled}`;
    for (const bytes of [twoLengths, lengthTwice, bareLineFeeds]) {
      const answer = await answerTo(url, bytes);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
    }
  });

  it("reads no more than 16 KiB of headers, and lends itself to nobody as a proxy", async () => {
    const { url } = await listen();
    const long = `GET /healthz HTTP/1.1\r\nHost: x\r\nx-long: ${"x".repeat(20_000)}\r\n\r\n`;
    expect(await answerTo(url, long)).toMatch(/^HTTP\/1\.1 431 /);
    expect(await answerTo(url, "CONNECT example.org:80 HTTP/1.1\r\nHost: example.org:80\r\n\r\n")).toBe("");
    expect(await upgradeStatus(`${url}/../..%2f..%2fetc/passwd`, {})).toBe(404);
  });

  it("counts out whose handshake failed: they take up no connection", async () => {
    const { url } = await listen({ maxConnections: 1 });
    const withoutKey = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    for (let i = 0; i < 3; i++) expect(await answerTo(url, withoutKey)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await upgradeStatus(url, {})).toBe(101);
  });

  it("beyond loopback needs a token or the word of whoever starts it", async () => {
    await expect(listen({ host: "0.0.0.0" })).rejects.toThrow(/give a token \(--token\), or allow it on purpose/);
    const { url } = await listen({ host: "0.0.0.0", token: "secret" });
    expect(url).not.toContain("0.0.0.0");
  });

  it("in use is an error that says what to do", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(listen({ port })).rejects.toThrow(`port ${port} on 127.0.0.1 is in use; choose another`);
    await new Promise((resolve) => taken.close(resolve));
    await expect(listen({ host: "192.0.2.1", token: "t" })).rejects.toThrow(/not an address of this machine/);
  });
});
