/** What bad input gets: one clear line that names what was expected, what came and what to do, and nothing lost. */
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Message } from "@weft/protocol";
import { connectWebSocket } from "@weft/transport";
import { describe, expect, test } from "vitest";
import { useDirectory } from "../support/useDirectory.ts";
import { WeftProcess } from "../support/weftProcess.ts";

const directory = useDirectory();

async function failure(...args: string[]): Promise<{ code: number | null; text: string }> {
  const process = new WeftProcess(args);
  const code = await process.exited;
  expect(process.text).not.toMatch(/\n\s+at /); // no stack trace
  return { code, text: process.text };
}

describe("the command line", () => {
  test("an unknown flag suggests the near one", async () => {
    const { code, text } = await failure("train", "test/jobs/digits.ts", "--worker", "2");
    expect(text).toMatch(/unknown option '--worker'/);
    expect(text).toMatch(/Did you mean.*--workers/);
    expect(code).toBe(2);
  });

  test("a number that is none is refused with what is expected", async () => {
    const { code, text } = await failure("train", "test/jobs/digits.ts", "--workers", "two");
    expect(text).toMatch(/expected a whole number from 1/);
    expect(code).toBe(2);
  });

  test("a missing job file is named", async () => {
    const { code, text } = await failure("train", "no/such/job.ts");
    expect(text).toMatch(/no\/such\/job\.ts: no such file/);
    expect(code).toBe(3);
  });

  test("a directory that is a file is named with its option", async () => {
    const file = join(directory(), "file");
    await writeFile(file, "");
    for (const command of [["serve", "test/jobs/digits.ts"], ["runs"]]) {
      const { code, text } = await failure(...command, "--runs", file);
      expect(text).toMatch(/file.*not a directory that may be/);
      expect([2, 7]).toContain(code);
    }
  });

  test("a version asked for that is not kept is not taken for a question about weft's", async () => {
    const { code, text } = await failure("eval", "abc123", "--version", "3", "--runs", directory());
    expect(text).toMatch(/no run abc123/);
    expect(code).toBe(7);
  });

  test("a job whose shapes do not fit says which", async () => {
    const { code, text } = await failure("train", "test/jobs/mismatched.ts", "--runs", directory());
    expect(text).toMatch(/conv2d.*expected.*got/);
    expect(code).toBe(3);
  });

  test("a port in use is named, with the remedy", async () => {
    const blocker = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => blocker.once("listening", resolve));
    const { port } = blocker.address() as AddressInfo;
    const { code, text } = await failure("serve", "test/jobs/digits.ts", "--port", String(port), "--runs", directory());
    expect(text).toMatch(new RegExp(`${port}.*in use`));
    expect(code).toBe(5);
    blocker.close();
  });

  test("an unknown run is named", async () => {
    const { code, text } = await failure("resume", "abc123", "--runs", directory());
    expect(text).toMatch(/abc123/);
    expect(code).toBe(7);
  });

  test("a coordinator that is not there is reported after the patience asked for", async () => {
    const { code, text } = await failure("join", "ws://127.0.0.1:1", "--patience", "0");
    expect(text).toMatch(/nothing listens there/);
    expect(code).toBe(5);
  });

  test("an address that is none is refused", async () => {
    const { code, text } = await failure("join", "localhost:80");
    expect(text).toMatch(/ws:\/\//);
    expect(code).toBe(2);
  });

  test("listening beyond this machine without a token needs an explicit flag", async () => {
    const { code, text } = await failure(
      "serve",
      "test/jobs/digits.ts",
      "--host",
      "0.0.0.0",
      "--port",
      "0",
      "--runs",
      directory(),
    );
    expect(text).toMatch(/--?token|allowOpen|--open/);
    expect(code).not.toBe(0);
  });
});

describe("a coordinator under bad workers", () => {
  const token = "correct-horse";
  const hello = {
    kind: "hello",
    protocol: 1,
    software: "test",
    name: "test",
    capabilities: { device: "test", threads: 1, memoryBytes: 0, codecs: ["f32"] },
    token,
  } as const satisfies Message;

  async function serving() {
    const coordinator = new WeftProcess(
      ["serve", "test/jobs/digits.ts", "--port", "0", "--runs", directory(), "--json", "--workers", "1"],
      { env: { WEFT_TOKEN: token } },
    );
    const { url } = await coordinator.untilEvent("listening");
    return { coordinator, url: String(url) };
  }

  /** The first answer of a kind to a raw client. */
  async function rawClient(url: string) {
    const connection = await connectWebSocket(url, { accepts: "coordinator" });
    const messages: Message[] = [];
    const waiters: (() => void)[] = [];
    connection.listen((message, payload) => {
      payload?.discard();
      messages.push(message);
      for (const waiter of waiters.splice(0)) waiter();
    });
    const next = async <K extends Message["kind"]>(kind: K) => {
      for (;;) {
        const found = messages.find((message) => message.kind === kind);
        if (found) {
          messages.splice(messages.indexOf(found), 1);
          return found as Extract<Message, { kind: K }>;
        }
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    };
    return { connection, next };
  }

  test("a wrong token and another protocol version are refused with a reason, and the run goes on", async () => {
    const { coordinator, url } = await serving();
    const wrong = await rawClient(url);
    await wrong.connection.send({ ...hello, token: "wrong" });
    expect(await wrong.next("refused")).toMatchObject({
      reason: expect.stringMatching(/token/) as string,
      retry: false,
    });
    const old = await rawClient(url);
    await old.connection.send({ ...hello, protocol: 99 });
    expect((await old.next("refused")).reason).toMatch(/99.*1/);

    const refused = new WeftProcess(["join", url, "--token", "nope", "--json"]);
    expect(await refused.exited).toBe(6);
    const worker = new WeftProcess(["join", url], { env: { WEFT_TOKEN: token } });
    expect(await coordinator.exited).toBe(0);
    expect(await worker.exited).toBe(0);
  });

  test("updates that are not finite or of the wrong length are refused and never reach the model", async () => {
    const { coordinator, url } = await serving();
    const worker = new WeftProcess(["join", url], { env: { WEFT_TOKEN: token } });
    await coordinator.until(({ event, round }) => event === "round" && Number(round) >= 5);
    for (const elements of [3, 64 * 32 + 32 + 32 * 10 + 10]) {
      const bad = await rawClient(url);
      await bad.connection.send(hello);
      const { jobHash } = await bad.next("welcome");
      await bad.connection.send({ kind: "ready", jobHash });
      const { run, round, attempt, version } = await bad.next("work");
      await bad.connection
        .send(
          { kind: "update", run, round, attempt, version, codec: "f32", weight: 1, metrics: {}, computeMs: 1 },
          new Uint8Array(new Float32Array(elements).fill(NaN).buffer),
        )
        .catch(() => undefined); // the coordinator may cut the upload short
      await coordinator.until(({ event }) => event === "refusedUpdate", "a refused update");
      bad.connection.close(1000, "done");
    }
    expect(await coordinator.exited).toBe(0);
    expect(await worker.exited).toBe(0);
    const { metrics } = await coordinator.untilEvent("finished");
    expect((metrics as { accuracy: number }).accuracy).toBeGreaterThan(0.9);
  });
});
