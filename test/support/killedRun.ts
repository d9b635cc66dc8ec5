/** Runs of the digits job by real processes: undisturbed, and with a coordinator that is killed and started again. */
import { readFile } from "node:fs/promises";
import { decodeSafetensors } from "@weft/vector";
import { expect } from "vitest";
import { WeftProcess } from "./weftProcess.ts";

const job = "test/jobs/digits.ts";

interface FinishedRun {
  /** The bits of every parameter, by name. */
  readonly weights: readonly (readonly [string, Uint32Array])[];
  /** Exit codes of coordinator and workers. */
  readonly exits: readonly (number | null)[];
  /** How often a worker lost its coordinator. */
  readonly disconnections: number;
}

/**
 * @param directory of the stored runs
 * @param kills rounds after which the coordinator is killed, in the midst of a later one
 */
async function killedRun(directory: string, kills: readonly number[]): Promise<FinishedRun> {
  const flags = ["--runs", directory, "--json"];
  let coordinator = new WeftProcess(["serve", job, "--port", "0", "--workers", "2", ...flags]);
  const { url, run } = await coordinator.untilEvent("listening");
  const port = new URL(String(url)).port;
  const workers = [1, 2].map(() => new WeftProcess(["join", String(url), "--json"]));
  for (const killAt of kills) {
    await coordinator.until(({ event, round }) => event === "round" && Number(round) >= killAt);
    await coordinator.kill("SIGKILL");
    coordinator = new WeftProcess(["resume", String(run), "--port", port, ...flags]);
    const { version } = await coordinator.untilEvent("recovered");
    if (Number(version) < killAt) throw new Error(`round ${killAt} was lost: recovered at ${String(version)}`);
  }
  const exits = [await coordinator.exited, ...(await Promise.all(workers.map(({ exited }) => exited)))];
  const { path } = await coordinator.untilEvent("finished");
  const { tensors } = decodeSafetensors(await readFile(String(path)));
  return {
    weights: [...tensors].map(([name, { data }]) => [name, new Uint32Array(data.slice().buffer)] as const),
    exits,
    disconnections: workers.flatMap(({ events }) => events.filter(({ event }) => event === "disconnected")).length,
  };
}

/** Runs undisturbed and with kills, and holds every promise about them; how often workers lost their coordinator. */
export async function expectSameBits(directory: string, kills: readonly number[]): Promise<number> {
  const undisturbed = await killedRun(directory, []);
  const killed = await killedRun(directory, kills);
  for (const { exits } of [undisturbed, killed]) expect(exits).toEqual([0, 0, 0]);
  expect(undisturbed.weights.length).toBe(4);
  expect(killed.weights).toEqual(undisturbed.weights);
  return killed.disconnections;
}
