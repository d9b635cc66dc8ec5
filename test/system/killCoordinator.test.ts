/** Promise 4: `kill -9` of the coordinator in the middle of a round changes nothing of the finished run. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeSafetensors } from "@weft/vector";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WeftProcess, killAll } from "../support/weftProcess.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-"));
});

afterEach(async () => {
  await killAll();
  await rm(directory, { recursive: true });
});

const flags = () => ["--runs", directory, "--json"];
const job = "test/jobs/digits.ts";

/** The bits of every parameter, by name. */
async function finalWeights(finishing: WeftProcess) {
  const { path } = await finishing.untilEvent("finished");
  const { tensors } = decodeSafetensors(await readFile(String(path)));
  return [...tensors].map(([name, { data }]) => [name, new Uint32Array(data.slice().buffer)] as const);
}

test("a run whose coordinator is killed twice mid-round ends in the same bits as an undisturbed one", async () => {
  const undisturbed = new WeftProcess(["serve", job, "--port", "0", "--workers", "2", ...flags()]);
  const { url: quietUrl } = await undisturbed.untilEvent("listening");
  const quiet = [1, 2].map(() => new WeftProcess(["join", String(quietUrl), "--json"]));
  expect(await undisturbed.exited).toBe(0);
  await Promise.all(quiet.map(({ exited }) => exited));
  const expected = await finalWeights(undisturbed);

  let coordinator = new WeftProcess(["serve", job, "--port", "0", "--workers", "2", ...flags()]);
  const { url, run } = await coordinator.untilEvent("listening");
  const port = new URL(String(url)).port;
  const workers = [1, 2].map(() => new WeftProcess(["join", String(url), "--json"]));
  for (const killAt of [40, 130]) {
    await coordinator.until(({ event, round }) => event === "round" && Number(round) >= killAt);
    await coordinator.kill("SIGKILL");
    coordinator = new WeftProcess(["resume", String(run), "--port", port, ...flags()]);
    const recovered = await coordinator.untilEvent("recovered");
    expect(Number(recovered["version"])).toBeGreaterThanOrEqual(killAt);
  }
  expect(await coordinator.exited).toBe(0);
  for (const worker of workers) expect(await worker.exited).toBe(0);
  expect(workers[0]!.events.filter(({ event }) => event === "disconnected").length).toBeGreaterThan(0);
  expect(expected.length).toBe(4);
  expect(await finalWeights(coordinator)).toEqual(expected);
});
