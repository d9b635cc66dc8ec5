/** Which updates went into which of the newest versions, for workers that come back not knowing what became of theirs. */
import type { RunState } from "../round/state.ts";
import type { CountedUpdate } from "../store/records.ts";

/** Versions that are remembered; a worker that was away for longer takes its update to be lost. */
const rememberedVersions = 256;

export class CountedUpdates {
  /** Workers by round and attempt: of a thousand workers' updates no more is held than a thousand references. */
  readonly #versions = new Map<number, ReadonlyMap<string, ReadonlySet<string>>>();

  add(version: number, updates: readonly CountedUpdate[]): void {
    const orders = new Map<string, Set<string>>();
    for (const update of updates) {
      const order = orders.get(orderOf(update)) ?? new Set();
      orders.set(orderOf(update), order.add(update.worker));
    }
    this.#versions.set(version, orders);
    this.#versions.delete(version - rememberedVersions);
  }

  /** The version that an update went into. */
  versionOf(update: CountedUpdate): number | undefined {
    const order = orderOf(update);
    return [...this.#versions].findLast(([, orders]) => orders.get(order)?.has(update.worker))?.[0];
  }
}

const orderOf = ({ round, attempt }: CountedUpdate) => `${round} ${attempt}`;

/** The updates that the round closed last has counted. */
export function countedUpdates({ closed }: Pick<RunState, "closed">): CountedUpdate[] {
  const { round, attempt } = closed;
  const members = [...closed.delivered].map((worker) => ({ worker, round, attempt }));
  return [...members, ...closed.counted.map(({ worker, round, attempt }) => ({ worker, round, attempt }))];
}
