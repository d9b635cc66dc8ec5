/** What is written while runs go on, for those who look from outside: lines of rounds, a timeline, TensorBoard's files. */
import { join } from "node:path";
import type { Coordinator } from "@weft/coordinator";
import { createTimeline, writeEventFile, writeRoundLines } from "@weft/coordinator";
import { type Command, Option } from "commander";

/** What `addWatchOptions` parses to. */
export interface Watching {
  readonly rounds?: string;
  readonly trace?: string;
  readonly tensorboard?: string;
}

export function addWatchOptions(command: Command): Command {
  return command
    .option("--rounds <file>", "append a JSON line for every round (besides rounds.jsonl in the run's directory)")
    .addOption(
      new Option("--trace <file>", "write a timeline of rounds that browsers' developer tools open").env("WEFT_TRACE"),
    )
    .option("--tensorboard <dir>", "write TensorBoard's event files, in a folder for each run");
}

/** @throws {StoreError} when a file cannot be written */
export function watchRuns({ rounds, trace, tensorboard }: Watching) {
  const timeline = trace === undefined ? undefined : createTimeline(trace);
  const closing: (() => void)[] = [];
  return {
    /** For a run that is about to start. */
    track: () => timeline?.track(),

    add(coordinator: Coordinator, track: ReturnType<NonNullable<typeof timeline>["track"]> | undefined): void {
      const { directory, run } = coordinator;
      track?.begin(coordinator);
      if (directory !== undefined) closing.push(writeRoundLines(coordinator, join(directory, "rounds.jsonl"), "own"));
      if (rounds !== undefined) closing.push(writeRoundLines(coordinator, rounds, "shared"));
      if (tensorboard !== undefined) closing.push(writeEventFile(coordinator, join(tensorboard, run)));
    },

    close(): void {
      for (const close of closing) close();
      timeline?.close();
    },
  };
}
