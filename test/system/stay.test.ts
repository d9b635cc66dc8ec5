/** Processes that stay: a coordinator for further runs, a worker for the next of them; and workers that are told to go. */
import { expect, test } from "vitest";
import { useDirectory } from "../support/useDirectory.ts";
import { WeftProcess } from "../support/weftProcess.ts";

const directory = useDirectory();

const job = "test/jobs/digits.ts";
const serving = (...more: string[]) =>
  new WeftProcess([
    "serve",
    job,
    "--port",
    "0",
    "--runs",
    directory(),
    "--json",
    "--operator-token",
    "steering",
    ...more,
  ]);

async function start(url: string, body: object): Promise<string> {
  const response = await fetch(`${url.replace(/^ws/, "http")}/api/runs`, {
    method: "POST",
    headers: { authorization: "Bearer steering" },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(201);
  return ((await response.json()) as { run: string }).run;
}

test("a coordinator and a worker that stay do one run after another, and go when they are told to", async () => {
  const coordinator = serving("--stay");
  const { url, run: first } = await coordinator.untilEvent("listening");
  const worker = new WeftProcess(["join", String(url), "--json", "--stay"]);
  await worker.until(({ event, run }) => event === "finished" && run === first, "the first run's end");
  const second = await start(String(url), { job: "digits", learningRate: 0.01 });
  await worker.until(({ event, run }) => event === "finished" && run === second, "the second run's end");
  worker.child.kill("SIGTERM");
  expect(await worker.exited).toBe(130);
  expect(worker.events.at(-1)).toMatchObject({ event: "ended", outcome: { kind: "stopped", reason: "SIGTERM" } });
  coordinator.child.kill("SIGTERM");
  expect(await coordinator.exited).toBe(0);
  const ends = coordinator.events.filter(({ event }) => event === "finished");
  expect(ends).toMatchObject([{ rounds: 400 }, { rounds: 400 }]);
});

test("a worker that is told to go finishes its round: its update counts, and it is not waited for", async () => {
  const coordinator = serving("--workers", "2");
  const { url } = await coordinator.untilEvent("listening");
  const [leaving, staying] = [1, 2].map(() => new WeftProcess(["join", String(url), "--json"]));
  await coordinator.until(({ event, round }) => event === "round" && Number(round) >= 20);
  leaving!.child.kill("SIGTERM");
  expect(await leaving!.exited).toBe(130);
  const left = await coordinator.untilEvent("workerLeft");
  expect(left).toMatchObject({ reason: "SIGTERM", workers: 1 });
  // The last order it took was answered, and the answer taken.
  const last = leaving!.events.filter(({ event }) => event === "update").at(-1);
  const verdict = leaving!.events.filter(({ event }) => event === "verdict").at(-1);
  expect(verdict).toMatchObject({ round: last?.["round"], accepted: true });
  expect(await coordinator.exited).toBe(0);
  expect(await staying!.exited).toBe(0);
  expect(await coordinator.untilEvent("finished")).toMatchObject({ rounds: 400 });
  const lost = coordinator.events.filter(({ event }) => event === "reopened" || event === "refusedUpdate");
  expect(lost.filter(({ code }) => code !== "leaving")).toEqual([]);
});
