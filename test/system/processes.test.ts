/** Real processes over real sockets: serve and join, a worker that comes late, one that is killed, data of one's own. */
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { digits } from "@weft/data";
import { expect, test } from "vitest";
import { useDirectory } from "../support/useDirectory.ts";
import { WeftProcess } from "../support/weftProcess.ts";

const directory = useDirectory();

const serve = (job: string, ...more: string[]) =>
  new WeftProcess(["serve", job, "--port", "0", "--runs", directory(), "--json", ...more]);
const joining = (url: unknown, ...more: string[]) => new WeftProcess(["join", String(url), "--json", ...more]);

test("a run of two workers completes although a third joins and one is killed with SIGKILL", async () => {
  const coordinator = serve("test/jobs/digits.ts", "--workers", "2");
  const { url } = await coordinator.untilEvent("listening");
  const [first, second] = [joining(url), joining(url)];
  await coordinator.until(({ event, round }) => event === "round" && Number(round) >= 20);
  const third = joining(url);
  await coordinator.until(({ event, workers }) => event === "round" && workers === 3, "a round of three workers");
  await second.kill("SIGKILL");
  await coordinator.untilEvent("workerLeft");

  expect(await coordinator.exited).toBe(0);
  expect(await first.exited).toBe(0);
  expect(await third.exited).toBe(0);
  const finished = await coordinator.untilEvent("finished");
  expect(finished).toMatchObject({ reason: "rounds", rounds: 400 });
  expect((finished["metrics"] as { accuracy: number }).accuracy).toBeGreaterThan(0.9);
});

test("weft train starts its own workers, several to a process, and prints finished last", async () => {
  const run = new WeftProcess([
    "train",
    "test/jobs/digits.ts",
    "--workers",
    "3",
    "--processes",
    "2",
    "--runs",
    directory(),
    "--json",
  ]);
  expect(await run.exited).toBe(0);
  const joined = run.events.filter(({ event }) => event === "workerJoined");
  expect(new Set(joined.map(({ worker }) => worker)).size).toBe(3);
  const [cores, share] = [availableParallelism(), Math.max(1, Math.floor(availableParallelism() / 2))];
  for (const { device } of joined) expect(device).toMatch(new RegExp(`^cpu \\(wasm.*\\), ${share} of ${cores} cores$`));
  expect(run.events.at(-1)?.event).toBe("finished");
});

test("a worker trains on data of its own, and data that does not fit is refused with a reason", async () => {
  const csv = join(directory(), "mine.csv");
  const { train } = await digits().load();
  const [images, labels] = train.columns;
  const rows = Array.from({ length: 300 }, (_, i) => [...images!.subarray(64 * i, 64 * i + 64), labels![i]].join());
  await writeFile(csv, rows.join("\n"));
  const broken = join(directory(), "broken.csv");
  await writeFile(broken, rows.map((row) => row.replace(/,\d+$/, ",11")).join("\n"));

  const coordinator = serve("test/jobs/digits.ts");
  const { url } = await coordinator.untilEvent("listening");
  const refused = joining(url, "--data", broken);
  expect(await refused.exited).toBe(6);
  expect(JSON.stringify(refused.events)).toMatch(/label.*expected.*11/);
  const own = joining(url, "--data", csv, "--threads", "3");
  expect(await own.untilEvent("prepared")).toMatchObject({ ownExamples: 300 });
  expect((await coordinator.untilEvent("workerJoined"))["device"]).toMatch(/^cpu \(wasm.*\), 3 of /);
  expect(await coordinator.exited).toBe(0);
  expect(await own.exited).toBe(0);
});

test("SIGTERM stops a coordinator cleanly after its round, and the run can be resumed to its end", async () => {
  const coordinator = serve("test/jobs/digits.ts");
  const { url, run } = await coordinator.untilEvent("listening");
  const worker = joining(url);
  await coordinator.until(({ event, round }) => event === "round" && Number(round) >= 10);
  await coordinator.kill("SIGTERM");
  expect(coordinator.child.exitCode).toBe(130);
  const stopped = await coordinator.untilEvent("finished");
  expect(stopped).toMatchObject({ reason: "stopped" });

  await worker.kill("SIGTERM");
  // It listens where it did: workers look for it there.
  const resumed = new WeftProcess(["resume", String(run), "--runs", directory(), "--json"]);
  expect((await resumed.untilEvent("listening"))["url"]).toBe(url);
  const again = joining(url);
  expect(await resumed.exited).toBe(0);
  expect(await again.exited).toBe(0);
  const rounds = resumed.events.filter(({ event }) => event === "round").map(({ round }) => Number(round));
  expect(rounds[0]).toBe(Number(stopped["rounds"]) + 1);
  expect(rounds.at(-1)).toBe(400);
});
