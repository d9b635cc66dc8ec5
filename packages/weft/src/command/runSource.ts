/** What `weft resume` and `weft eval` need of a run besides what its store holds: where its data comes from, and who was expected. */
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { openRun } from "@weft/coordinator";
import { UsageError } from "../errors.ts";

export interface RunSource {
  readonly jobPath: string;
  /** Rounds wait for so many workers. */
  readonly expectedWorkers: number;
  /** Started with the run as child processes; 0 for none. */
  readonly ownWorkers: number;
  /** That host them. */
  readonly processes?: number;
  /** Where workers found the coordinator, and look for it when it is gone. */
  readonly address?: Address;
  /** What its rounds survive. */
  readonly durability?: "process" | "power";
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

const sourceFile = "source.json";

export async function rememberSource(directory: string, source: RunSource): Promise<void> {
  const { jobPath, expectedWorkers, ownWorkers, processes, address, durability } = source;
  const remembered: RunSource = {
    jobPath: resolve(jobPath),
    expectedWorkers,
    ownWorkers,
    ...(processes === undefined ? {} : { processes }),
    ...(address === undefined ? {} : { address }),
    ...(durability === undefined ? {} : { durability }),
  };
  await writeFile(join(directory, sourceFile), `${JSON.stringify(remembered, null, 2)}\n`);
}

/** @throws {UsageError} when the run was not started by this command */
export async function readSource(runs: string, run: string): Promise<RunSource> {
  const { directory } = openRun(runs, run);
  try {
    return JSON.parse(await readFile(join(directory, sourceFile), "utf8")) as RunSource;
  } catch (cause) {
    throw new UsageError(`run ${run} does not say which job file it came from; give it with --job FILE`, { cause });
  }
}
