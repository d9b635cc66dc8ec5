/** A coordinator killed with SIGKILL at an instant drawn from a seed, a hundred times: every run ends in the same bits. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeSafetensors } from "@weft/vector";
import { expect, test } from "vitest";
import { useDirectory } from "../support/useDirectory.ts";
import { WeftProcess } from "../support/weftProcess.ts";

const directory = useDirectory();

const trials = 100;
const job = "test/jobs/digits.ts";
const flags = () => ["--runs", directory(), "--json"];

/** Uniform in [0, 1), by seed and draw (a linear congruence after Park and Miller, warmed up). */
function draws(seed: number): () => number {
  let state = (seed * 48_271 + 11) % 2_147_483_647;
  const next = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let i = 0; i < 5; i++) next();
  return next;
}

async function finalBits(finishing: WeftProcess): Promise<string> {
  const { path, rounds } = await finishing.untilEvent("finished");
  expect(rounds).toBe(400);
  const { tensors } = decodeSafetensors(await readFile(String(path)));
  return [...tensors].map(([name, { data }]) => `${name} ${new Uint32Array(data.slice().buffer).join()}`).join("\n");
}

/** One run; killed once or twice in its course where a seed is given. Says how many rounds were committed at each kill. */
async function runOnce(
  seed: number | undefined,
): Promise<{ readonly bits: string; readonly kills: readonly number[] }> {
  let coordinator = new WeftProcess(["serve", job, "--port", "0", "--workers", "2", ...flags()]);
  const { url, run } = await coordinator.untilEvent("listening");
  const { port } = new URL(String(url));
  const workers = [1, 2].map(() => new WeftProcess(["join", String(url), "--json"]));
  const random = draws(seed ?? 0);
  const kills: number[] = [];
  const times = seed === undefined ? 0 : 1 + Math.floor(2 * random());
  for (let kill = 0; kill < times; kill++) {
    // After a round that the seed names, and then at an instant within the rounds that follow it.
    const after = 200 * kill + Math.floor(190 * random());
    await coordinator.until(({ event, round }) => event === "round" && Number(round) >= after);
    await sleep(40 * random());
    await coordinator.kill("SIGKILL");
    const seen = coordinator.events.filter(({ event }) => event === "round").at(-1)?.["round"];
    coordinator = new WeftProcess(["resume", String(run), "--port", port, ...flags()]);
    const recovered = await coordinator.untilEvent("recovered");
    expect(Number(recovered["version"])).toBeGreaterThanOrEqual(Number(seen));
    expect(recovered["warnings"]).toEqual([]);
    kills.push(Number(recovered["version"]));
  }
  expect(await coordinator.exited).toBe(0);
  for (const worker of workers) expect(await worker.exited).toBe(0);
  return { bits: await finalBits(coordinator), kills };
}

test(`of ${trials} seeded trials with kill -9 every one ends in the bits of an undisturbed run`, async () => {
  const { bits: expected } = await runOnce(undefined);
  const killedAt = new Set<number>();
  for (let seed = 1; seed <= trials; seed++) {
    const { bits, kills } = await runOnce(seed);
    expect(bits === expected, `seed ${seed}, killed after rounds ${kills.join(" and ")}`).toBe(true);
    for (const round of kills) killedAt.add(round);
  }
  // The instants are spread over the run: if they were not, the trials would be one trial.
  expect(killedAt.size).toBeGreaterThan(trials / 2);
}, 7_200_000);
