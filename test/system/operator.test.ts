/** Operating coordinators by the command line, as real processes: several runs, roles and TLS, and kills. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { useDirectory } from "../support/useDirectory.ts";
import { WeftProcess } from "../support/weftProcess.ts";

const directory = useDirectory();

const job = "test/jobs/digits.ts";
const pem = (name: string) => fileURLToPath(new URL(`../support/localhost.${name}.pem`, import.meta.url));
const serve = (...more: string[]) =>
  new WeftProcess(["serve", "--port", "0", "--runs", directory(), "--json", ...more]);
const joining = (url: unknown, ...more: string[]) => new WeftProcess(["join", String(url), "--json", ...more]);

/** A command that ends by itself: its exit code and what it printed. */
async function weft(...args: string[]) {
  const command = new WeftProcess(args);
  const code = await command.exited;
  return { code, text: command.text, events: command.events };
}

describe("several runs behind one port", () => {
  test("are paused, changed, shown, unpaused and aborted by commands, each for itself", async () => {
    const coordinator = serve(job, "test/jobs/digits.ts", "--tensorboard", join(directory(), "board"));
    await coordinator.until(({ event, run }) => event === "listening" && run !== coordinator.events[0]?.["run"]);
    const [first, second] = coordinator.events
      .filter(({ event }) => event === "listening")
      .map(({ run }) => String(run));
    const { url } = await coordinator.untilEvent("listening");
    expect(statSync(join(directory(), first!, "control.json")).mode & 0o077).toBe(0);
    const paused = await weft("pause", first!, "--runs", directory());
    expect([paused.code, paused.text]).toEqual([0, `${first}  digits  paused  round 0  0 workers\n`]);
    const workers = [joining(url, "--run", first!), joining(url, "--run", second!)];
    await coordinator.until(({ event, run, round }) => event === "round" && run === second && Number(round) > 3);
    expect(coordinator.events.some(({ event, run }) => event === "round" && run === first)).toBe(false);

    const set = await weft("set", first!, "learningRate=0.001", "quorum=80%", "--runs", directory(), "--json");
    expect(set.events).toMatchObject([
      { event: "report", changes: { learningRate: 0.001, quorum: { fraction: 0.8 } } },
    ]);
    const wrong = await weft("set", first!, "learningRate=-1", "--runs", directory());
    expect([wrong.code, wrong.text]).toEqual([2, "weft: learningRate: a number above zero expected, got -1\n"]);
    const listed = await weft("runs", "--runs", directory());
    expect(listed.text).toMatch(new RegExp(`^${first} .* paused {7}digits  0 rounds`, "m"));
    for (const line of listed.text.trimEnd().split("\n")) expect(line.length).toBeLessThanOrEqual(80);

    expect((await weft("resume", first!.slice(0, 4), "--runs", directory())).text).toMatch(/gathering|running/);
    await coordinator.until(({ event, run, round }) => event === "round" && run === first && Number(round) > 3);
    const aborted = await weft("abort", first!, "--runs", directory());
    expect(aborted.code).toBe(0);
    await coordinator.until(({ event, run }) => event === "finished" && run === first);
    expect(await coordinator.exited).toBe(6);
    const ends = coordinator.events.filter(({ event }) => event === "finished");
    expect(ends.find(({ run }) => run === first)).toMatchObject({
      reason: "stopped",
      detail: "aborted by an operator",
    });
    expect(ends.find(({ run }) => run === second)).toMatchObject({ reason: "rounds", rounds: 400 });
    await workers[1]!.exited;
    expect(existsSync(join(directory(), first!, "control.json"))).toBe(false);
    const late = await weft("pause", first!, "--runs", directory());
    expect(late.code).toBe(7);
    expect(late.text).toMatch(/is stopped: no coordinator holds it; go on with: weft resume/);
    expect(existsSync(join(directory(), "board", second!))).toBe(true);
  });
});

test("over TLS with tokens, workers join and operators steer from elsewhere; without them they are refused", async () => {
  const tls = ["--tls-cert", pem("cert"), "--tls-key", pem("key")];
  const tokens = ["--token", "working", "--operator-token", "steering", "--viewer-token", "watching"];
  const coordinator = serve(job, ...tls, ...tokens);
  const { url, run: id } = await coordinator.untilEvent("listening");
  const run = String(id);
  expect(String(url)).toMatch(/^wss:/);
  const untrusting = await weft("join", String(url), "--token", "working", "--patience", "0");
  expect([untrusting.code, untrusting.text]).toEqual([
    6,
    expect.stringMatching(/certificate that this machine trusts/),
  ]);
  const wrong = await weft("join", String(url), "--ca", pem("cert"), "--token", "guess");
  expect([wrong.code, wrong.text]).toEqual([6, expect.stringMatching(/the token is wrong/)]);
  const elsewhere = ["--url", String(url), "--ca", pem("cert")];
  const viewing = await weft("pause", run, ...elsewhere, "--operator-token", "watching");
  expect([viewing.code, viewing.text]).toEqual([6, expect.stringMatching(/wrong, or not for this/)]);
  expect((await weft("runs", ...elsewhere, "--operator-token", "watching")).text).toContain(
    `${run}  digits  gathering`,
  );
  expect((await weft("pause", run, ...elsewhere, "--operator-token", "steering")).code).toBe(0);
  expect((await weft("unpause", "digits", ...elsewhere, "--operator-token", "steering")).code).toBe(0);
  const worker = joining(url, "--ca", pem("cert"), "--token", "working");
  expect(await coordinator.exited).toBe(0);
  expect(await worker.exited).toBe(0);
});

test("beyond this machine, weft serve says that without TLS what travels can be read", async () => {
  const coordinator = new WeftProcess([
    "serve",
    job,
    "--port",
    "0",
    "--runs",
    directory(),
    "--host",
    "0.0.0.0",
    "--token",
    "t",
  ]);
  await new Promise<void>((resolve) => {
    const look = setInterval(() => {
      if (!coordinator.text.includes("operator token")) return;
      clearInterval(look);
      resolve();
    }, 20);
  });
  await coordinator.kill("SIGTERM");
  expect(coordinator.text).toContain(
    "tokens and weights can be read on their way; --tls-cert and --tls-key prevent it",
  );
});

test("a run that was killed is evaluated and exported at its newest committed round; its lines of rounds go on", async () => {
  const lines = join(directory(), "all.jsonl");
  const trace = join(directory(), "trace.json");
  const coordinator = serve(job, "--rounds", lines, "--trace", trace);
  const { url, run } = await coordinator.untilEvent("listening");
  const worker = joining(url);
  await coordinator.until(({ event, round }) => event === "round" && Number(round) === 47);
  await coordinator.kill("SIGKILL");
  await worker.kill("SIGKILL");
  const { events } = await weft("runs", "--runs", directory(), "--json");
  const rounds = Number(events[0]!["rounds"]);
  expect(rounds).toBeGreaterThanOrEqual(47);
  expect(rounds % 20).not.toBe(0);
  const evaluated = await weft("eval", String(run), "--runs", directory(), "--json");
  expect(evaluated.events).toMatchObject([{ event: "evaluated", version: rounds }]);
  const out = join(directory(), "out.safetensors");
  const exported = await weft("export", String(run), "--runs", directory(), "--json", "--out", out);
  expect(exported.events).toMatchObject([{ version: rounds }]);
  expect(readFileSync(lines, "utf8").trimEnd().split("\n").length).toBeGreaterThanOrEqual(47);
  // Cut off as it is, it is opened with its bracket left open.
  const timeline = JSON.parse(
    `${readFileSync(trace, "utf8").replace(/,?\s*[^\n]*$/, (rest) => (rest.endsWith("}") ? rest : ""))}]`,
  ) as {
    name: string;
  }[];
  expect(timeline.filter(({ name }) => name === "upload 40")).toHaveLength(1);

  const port = new URL(String(url)).port;
  const resumed = new WeftProcess(["resume", String(run), "--runs", directory(), "--port", port, "--json"]);
  const again = joining(url);
  expect(await resumed.exited).toBe(0);
  expect(await again.exited).toBe(0);
  const own = readFileSync(join(directory(), String(run), "rounds.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  expect(own.map((line) => (JSON.parse(line) as { round: number }).round)).toEqual(
    Array.from({ length: 400 }, (_, i) => i + 1),
  );
});
