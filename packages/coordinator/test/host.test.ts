/** Several runs behind one port, and the API through which they are seen and steered. */
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connectWebSocket } from "@weft/transport";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { createHost, type Host, type LaunchOptions, type ListenOptions } from "../src/index.ts";
import { examples, FakeWorker, makeJob, until } from "./harness.ts";

const open: Host[] = [];
afterEach(async () => {
  for (const host of open.splice(0)) await host.close();
});

const tokens = [
  { token: "watching", role: "viewer" },
  { token: "steering", role: "operator" },
] as const;

async function host(listen: ListenOptions = {}): Promise<Host & { http: string }> {
  const created = await createHost({ listen: { port: 0, tokens, ...listen } });
  open.push(created);
  return Object.assign(Object.create(created) as Host, { http: created.url.replace(/^ws/, "http") });
}

const job = (size: number, rounds = 1000) => makeJob({ size, stop: { rounds } });

const join = async (url: string, run?: string, token?: string) =>
  new FakeWorker(await connectWebSocket(url, { accepts: "coordinator" }), {
    ...(run === undefined ? {} : { run }),
    ...(token === undefined ? {} : { token }),
  });

interface Answer {
  readonly status: number;
  readonly body: {
    readonly runs?: { readonly run: string }[];
    readonly error?: { readonly code: string; readonly message: string };
    readonly [field: string]: unknown;
  };
}

async function call(url: string, options: { token?: string; method?: string; body?: string } = {}): Promise<Answer> {
  const { token = "steering", method = "GET", body } = options;
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body }),
    headers: token === "" ? {} : { authorization: `Bearer ${token}` },
  });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

describe("runs behind one port", () => {
  it("get the workers that ask for them, and the others by need", async () => {
    const { add, url } = await host();
    const first = await add({ job: job(4), examples, run: { expectedWorkers: 2 } });
    const second = await add({ job: job(5), examples });
    const asking = await join(url, second.run);
    await until(() => asking.run === second.run);
    await until(() => second.report().workers === 1);
    const others = [await join(url), await join(url)];
    await until(() => first.report().workers === 2);
    expect(others.map(({ run }) => run)).toEqual([first.run, first.run]);
    await until(() => first.report().version > 1 && second.report().version > 1);
  });

  it("a worker that comes back goes to its run, though another has more need of it", async () => {
    const { add, url } = await host();
    const first = await add({ job: job(4), examples });
    const worker = await join(url);
    await until(() => first.report().workers === 1);
    const second = await add({ job: job(5), examples, run: { expectedWorkers: 5 } });
    worker.connection.close(1011, "gone for a moment");
    const again = new FakeWorker(await connectWebSocket(url, { accepts: "coordinator" }), { resume: worker.resume });
    await until(() => again.run !== "");
    expect([again.run, again.worker]).toEqual([first.run, worker.worker]);
    expect(second.report()).toMatchObject({ phase: "gathering", workers: 0, expectedWorkers: 5 });
  });

  it("end one by one; the port stays, and says when there is nothing to do", async () => {
    const { add, url, http } = await host();
    expect((await call(`${http}/readyz`)).status).toBe(503);
    const run = await add({ job: job(4, 2), examples });
    expect((await call(`${http}/readyz`)).status).toBe(200);
    await join(url);
    await run.finished;
    const late = await join(url);
    await until(() => late.of("refused").length === 1);
    expect(late.of("refused")).toMatchObject([{ code: "no-run", retry: true }]);
    const asking = await join(url, "nothing");
    await until(() => asking.of("refused").length === 1);
    expect(asking.of("refused")).toMatchObject([{ code: "run", retry: false }]);
    expect((await call(`${http}/readyz`)).body).toEqual({ ready: false, reason: "no run is under way" });
    expect((await call(`${http}/api/runs`)).body.runs).toMatchObject([{ run: run.run, phase: "ended", version: 2 }]);
  });

  it("strangers that say nothing, or anything but hello, are sent away", async () => {
    const { url } = await host();
    const rude = await connectWebSocket(url, { accepts: "coordinator" });
    void rude.send({ kind: "prefetch" });
    expect(await rude.closed).toMatchObject({ code: 1008, reason: "prefetch before hello" });
  });

  it("are told to nobody without the token", async () => {
    const { add, url } = await host({ token: "secret" });
    await add({ job: job(4), examples });
    const wrong = await join(url, "no such run", "guess");
    await until(() => wrong.of("refused").length === 1);
    expect(wrong.of("refused")).toMatchObject([{ code: "token" }]);
    const right = await join(url, undefined, "secret");
    await until(() => right.run !== "");
    const operator = await join(url, undefined, "steering");
    await until(() => operator.run !== "");
  });
});

describe("the API", () => {
  it("pauses, unpauses, changes and aborts runs, by id or name", async () => {
    const { add, url, http } = await host();
    const run = await add({ job: job(4), examples });
    await join(url);
    await until(() => run.report().version > 1);
    const at = `${http}/api/runs/${run.run}`;
    await call(`${at}/pause`, { method: "POST" });
    await until(() => run.report().detail === "");
    const { version } = run.report();
    expect((await call(at)).body).toMatchObject({ phase: "paused", version, name: "test", workers: 1 });
    const changed = await call(at, { method: "PATCH", body: '{"learningRate":0.5,"quorum":{"fraction":0.5}}' });
    expect(changed.body).toMatchObject({ changes: { learningRate: 0.5, quorum: { fraction: 0.5 } } });
    expect(run.report().version).toBe(version);
    expect((await call(`${http}/api/runs/test/unpause`, { method: "POST" })).status).toBe(200);
    await until(() => run.report().version > version);
    const aborted = await call(`${at}/abort`, { method: "POST" });
    expect([aborted.status, aborted.body]).toMatchObject([202, { phase: "ending", detail: "aborted by an operator" }]);
    expect(await run.finished).toMatchObject({ reason: "stopped", detail: "aborted by an operator" });
    const late = await call(`${at}/pause`, { method: "POST" });
    expect([late.status, late.body.error?.code]).toEqual([409, "ended"]);
  });

  it("is for those with a token of the role: viewers look, operators steer, workers do neither", async () => {
    const { add, http } = await host({ token: "working" });
    const run = await add({ job: job(4), examples });
    const at = `${http}/api/runs/${run.run}`;
    const status = async (token: string, method = "GET", path = at) => (await call(path, { token, method })).status;
    expect([await status(""), await status("working"), await status("watching")]).toEqual([401, 403, 200]);
    const pause = `${at}/pause`;
    const steering = [await status("", "POST", pause), await status("watching", "POST", pause)];
    expect(steering).toEqual([401, 403]);
    expect(run.report().phase).toBe("gathering");
    expect(await status("steering", "POST", pause)).toBe(200);
    // What there is is told to nobody without leave to look.
    expect([
      await status("", "GET", `${http}/api/nothing`),
      await status("watching", "GET", `${http}/api/nothing`),
    ]).toEqual([401, 404]);
    expect([await status("", "GET", `${http}/metrics`), await status("watching", "DELETE")]).toEqual([401, 405]);
  });

  it("is closed where nobody was given a token", async () => {
    const { http } = await host({ tokens: [] });
    expect(await call(`${http}/api/runs`, { token: "" })).toMatchObject({
      status: 403,
      body: { error: { code: "closed" } },
    });
  });

  it.each([
    ["{", 400, /JSON object/],
    ['{"quorum":3}', 400, /quorum.*fraction/],
    ['{"speed":3}', 400, /learningRate, quorum, deadlineMs/],
    ["{}", 400, /nothing to change/],
    ['{"learningRate":-1}', 422, /learningRate.*above zero/],
    [`{"learningRate":${" ".repeat(70_000)}1}`, 413, /65536/],
  ])("answers %.20s with a code and a reason", async (body, status, reason) => {
    const { add, http } = await host();
    const run = await add({ job: job(4), examples });
    const answer = await call(`${http}/api/runs/${run.run}`, { method: "PATCH", body });
    expect(answer.status).toBe(status);
    expect(answer.body.error?.message).toMatch(reason);
    expect(run.report().changes).toEqual({});
  });

  it("shows metrics to programs of this machine, in Prometheus' format, and not to pages whose name points here", async () => {
    const { add, url, http } = await host({ tokens: [tokens[1]] });
    const run = await add({ job: job(4, 3), examples });
    await join(url);
    await run.finished;
    const response = await fetch(`${http}/metrics`);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0.0.4/);
    const text = await response.text();
    const of = `run="${run.run}",job="test"`;
    expect(text).toContain(`# TYPE weft_rounds_total counter\nweft_rounds_total{${of}} 3\n`);
    expect(text).toContain(`weft_updates_total{${of},outcome="accepted"} 3\n`);
    expect(text).toContain(`weft_round_seconds_bucket{${of},le="+Inf"} 3\n`);
    expect(text).toMatch(/weft_event_loop_delay_seconds\{quantile="0.99"\} [0-9.e-]+\n/);
    expect(text).toMatch(new RegExp(`weft_bytes_total\\{${of},direction="up",kind="update",codec="f32"\\} [1-9]`));
    for (const line of text.trimEnd().split("\n")) {
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|[a-z_]+(\{(\w+="[^"\n]*",?)+\})? [-+0-9.eInfNa]+)$/);
    }
    for (const [, name, type] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
      expect([name, name!.endsWith("_total")]).toEqual([name, type === "counter"]);
    }
    const status = await new Promise((resolve, reject) => {
      const asked = httpRequest(`${http}/metrics`, { headers: { host: "evil.example" } }, (answer) => {
        resolve(answer.statusCode);
        answer.resume();
      });
      asked.once("error", reject).end();
    });
    expect(status).toBe(401);
  });
});

describe("limits", () => {
  it("of one address: connections at once, connections and requests a second", async () => {
    const { url } = await host({ perAddress: { connections: 1 } });
    const held = await connectWebSocket(url, { accepts: "coordinator" });
    await expect(connectWebSocket(url, { accepts: "coordinator" })).rejects.toMatchObject({
      code: "busy",
      retry: true,
    });
    held.close(1000, "");
    await held.closed;
    const fast = await host({ perAddress: { connectionsPerSecond: 2, requestsPerSecond: 3 } });
    const outcomes = await Promise.allSettled(
      [1, 2, 3].map(() => connectWebSocket(fast.url, { accepts: "coordinator" })),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    const statuses = await Promise.all([1, 2, 3, 4].map(async () => (await fetch(`${fast.http}/healthz`)).status));
    expect(statuses.sort()).toEqual([200, 200, 200, 429]);
  });

  it("a wrong bearer token ends the handshake with 401", async () => {
    const { url } = await host({ token: "secret" });
    const status = await new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { headers: { authorization: "Bearer guess" } });
      socket.once("unexpected-response", (_request, answer) => resolve(answer.statusCode));
      socket.once("error", reject);
    });
    expect(status).toBe(401);
  });
});

describe("over TLS", () => {
  const pem = (name: string) =>
    readFileSync(new URL(`../../../test/support/localhost.${name}.pem`, import.meta.url), "utf8");
  const tls = { cert: pem("cert"), key: pem("key") };

  it("workers and API come by wss:// and https://, if they trust the certificate", async () => {
    const { add, url, http } = await host({ tls });
    expect(url).toMatch(/^wss:\/\/127\.0\.0\.1:/);
    const run = await add({ job: job(4, 2), examples });
    await expect(connectWebSocket(url, { accepts: "coordinator" })).rejects.toMatchObject({
      code: "tls",
      retry: false,
    });
    const status = await new Promise((resolve, reject) => {
      httpsRequest(`${http}/healthz`, { ca: tls.cert }, (answer) => {
        resolve(answer.statusCode);
        answer.resume();
      })
        .once("error", reject)
        .end();
    });
    expect(status).toBe(200);
    new FakeWorker(await connectWebSocket(url, { accepts: "coordinator", ca: tls.cert }));
    expect((await run.finished).rounds).toBe(2);
  });

  it("a key that is not the certificate's is an error that says so", async () => {
    await expect(host({ tls: { ...tls, key: "none" } })).rejects.toThrow(/certificate and its key cannot be used/);
  });
});

describe("runs started through the API", () => {
  /** A host that knows one job. */
  async function launching() {
    const created: Host = await createHost({
      listen: { port: 0, tokens },
      launch: {
        jobs: () => ["test"],
        start(_, options: LaunchOptions) {
          const { expectedWorkers = 3, changes } = options;
          return created.add({ job: job(4), examples, run: { expectedWorkers, changes } });
        },
      },
    });
    open.push(created);
    return { host: created, http: created.url.replace(/^ws/, "http") };
  }

  it("are of jobs that the host knows, by operators alone, with the rules asked for", async () => {
    const { host: created, http } = await launching();
    expect(await call(`${http}/api/jobs`, { token: "watching" })).toEqual({ status: 200, body: { jobs: ["test"] } });
    const body = JSON.stringify({ job: "test", learningRate: 0.5, quorum: { count: 2 } });
    const refused = await call(`${http}/api/runs`, { method: "POST", token: "watching", body });
    expect([refused.status, created.runs.length]).toEqual([403, 0]);
    const { status, body: report } = await call(`${http}/api/runs`, { method: "POST", body });
    const changes = { learningRate: 0.5, quorum: { count: 2 } };
    expect([status, report]).toMatchObject([201, { name: "test", phase: "gathering", expectedWorkers: 3, changes }]);
    expect(created.runs.map(({ run }) => run)).toEqual([report["run"]]);
    const worker = await join(created.url);
    await until(() => worker.run === report["run"]);
    const other = await call(`${http}/api/runs`, { method: "POST", body: '{"job": "test", "expectedWorkers": 1}' });
    expect(other.body).toMatchObject({ expectedWorkers: 1, changes: {} });
  });

  it.each([
    ['{"job": "other"}', 404, "no-job", /no job other here; there are: test/],
    ['{"job": "test", "code": "1"}', 400, "body", /an object of job, expectedWorkers, learningRate/],
    ['{"expectedWorkers": 1}', 400, "body", /job: a job's name expected/],
    ['{"job": "test", "expectedWorkers": 0}', 400, "body", /expectedWorkers: a whole number from 1/],
    ["test", 400, "json", /such as \{"job": "mnist"\}/],
    ['{"job": "test", "learningRate": -1}', 422, "coordinator-options", /a number above zero/],
  ])("that make no sense (%s) are refused with a reason, and nothing begins", async (body, status, code, message) => {
    const { host: created, http } = await launching();
    const answer = await call(`${http}/api/runs`, { method: "POST", body });
    expect([answer.status, answer.body.error?.code]).toEqual([status, code]);
    expect(answer.body.error?.message).toMatch(message);
    expect(created.runs).toEqual([]);
  });

  it("are no more than the machine should hold", async () => {
    const { http } = await launching();
    const statuses: number[] = [];
    for (let i = 0; i < 66; i++) {
      statuses.push((await call(`${http}/api/runs`, { method: "POST", body: '{"job": "test"}' })).status);
    }
    expect(statuses.indexOf(409)).toBe(64);
  });

  it("are not to be had from a host that was given no jobs", async () => {
    const { http } = await host();
    const answer = await call(`${http}/api/runs`, { method: "POST", body: '{"job": "test"}' });
    expect([answer.status, answer.body.error?.code]).toEqual([409, "no-jobs"]);
  });
});
