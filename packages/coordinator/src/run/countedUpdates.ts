/** Which updates went into which of the newest versions, for workers that come back not knowing what became of theirs. */
import type { RunState } from "../round/state.ts";

/** Names an update that was counted. */
export interface CountedUpdate {
  readonly worker: string;
  readonly round: number;
  readonly attempt: number;
}

/** Versions that are remembered; a worker that was away for longer takes its update to be lost. */
const rememberedVersions = 256;

export class CountedUpdates {
  readonly #versions = new Map<number, ReadonlySet<string>>();

  add(version: number, updates: readonly CountedUpdate[]): void {
    this.#versions.set(version, new Set(updates.map(nameOf)));
    this.#versions.delete(version - rememberedVersions);
  }

  /** The version that an update went into. */
  versionOf(update: CountedUpdate): number | undefined {
    const name = nameOf(update);
    return [...this.#versions].findLast(([, names]) => names.has(name))?.[0];
  }
}

const nameOf = ({ worker, round, attempt }: CountedUpdate) => `${worker} ${round} ${attempt}`;

/** The updates that the round closed last has counted. */
export function countedUpdates({ closed }: Pick<RunState, "closed">): CountedUpdate[] {
  const { round, attempt } = closed;
  const members = [...closed.delivered].map((worker) => ({ worker, round, attempt }));
  return [...members, ...closed.counted.map(({ worker, round, attempt }) => ({ worker, round, attempt }))];
}
