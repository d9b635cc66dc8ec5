/** One JSON object a line for every committed round of a run, oldest first, each round once, over restarts too. */
import { existsSync, readFileSync } from "node:fs";
import type { Coordinator } from "../coordinator.ts";
import type { RoundFigures } from "../events.ts";
import { roundFigures } from "../run/figures.ts";
import { storedRounds } from "../store/runs.ts";
import { AppendedFile } from "./appendedFile.ts";

/** Writes from now on; the result ends it. Of a file that several runs share only what comes from now on is written. */
export function writeRoundLines(coordinator: Coordinator, path: string, how: "own" | "shared"): () => void {
  const before = how === "own" ? linesSoFar(coordinator, path) : [];
  const file = new AppendedFile(path, how === "own" ? "anew" : "on");
  for (const line of before) file.append(`${line}\n`);
  const stop = coordinator.on((event) => {
    if (event.event !== "round") return;
    file.append(`${lineOf(coordinator, event, Date.now())}\n`);
  });
  return () => {
    stop();
    file.close();
  };
}

/** The round's figures after run, job and time (ISO 8601); what only the process knew that made it is left out otherwise. */
function lineOf(
  { run, name }: Coordinator,
  round: { readonly [F in keyof RoundFigures]?: RoundFigures[F] | undefined },
  time: number,
): string {
  return JSON.stringify({ run, job: name, time: new Date(time).toISOString(), ...round, event: undefined });
}

/** What the file says of rounds that count, and for those it misses what the run's record says. */
function linesSoFar(coordinator: Coordinator, path: string): string[] {
  const { directory } = coordinator;
  if (directory === undefined) return [];
  const written = new Map(existsSync(path) ? readFileSync(path, "utf8").split("\n").flatMap(numbered) : []);
  return storedRounds(directory, { after: 0, limit: -1 }).map((record) => {
    const figures = { ...roundFigures(record, { totalRounds: undefined, workers: 0 }), workers: undefined };
    return written.get(record.round) ?? lineOf(coordinator, figures, record.time);
  });
}

/** The last line of a process that was killed may be cut short. */
function numbered(line: string): [number, string][] {
  try {
    const { round } = JSON.parse(line) as { readonly round?: unknown };
    return typeof round === "number" ? [[round, line]] : [];
  } catch {
    return [];
  }
}
