/** Bytes moved between rounds, by worker, kind of message and codec, over connections that come and go. */
import type { Connection } from "@weft/transport";
import type { KindTraffic } from "../events.ts";

export interface TrafficEntry extends KindTraffic {
  /** Identity; empty for connections that never said who they are. */
  readonly worker: string;
}

export interface RoundTrafficEntries {
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** They add up to the bytes above. */
  readonly traffic: readonly TrafficEntry[];
}

interface Watched {
  readonly connection: Connection;
  readonly worker: () => string;
  /** Bytes told of so far: received and sent by account, and all of them. */
  readonly told: Map<string, readonly [number, number]>;
  toldBytes: number;
}

const maxEnded = 4096;

export class Traffic {
  readonly #live = new Set<Watched>();
  /** Of connections that have ended since the last call. */
  #ended: TrafficEntry[] = [];

  /** @param worker whose connection it is, as far as that is known when it is asked */
  add(connection: Connection, worker: () => string): void {
    const watched: Watched = { connection, worker, told: new Map(), toldBytes: 0 };
    this.#live.add(watched);
    void connection.closed.then(() => {
      this.#live.delete(watched);
      this.#ended.push(...news(watched));
      // Connections that come and go while no round ends must not pile up.
      if (this.#ended.length > maxEnded) this.#ended = merged(this.#ended);
    });
  }

  /** Bytes received and sent since the call before. */
  sinceLast(): RoundTrafficEntries {
    const traffic = merged([...this.#ended, ...[...this.#live].flatMap(news)]);
    this.#ended = [];
    let [bytesUp, bytesDown] = [0, 0];
    for (const entry of traffic) {
      bytesUp += entry.bytesUp;
      bytesDown += entry.bytesDown;
    }
    return { bytesUp, bytesDown, traffic };
  }
}

/** What a connection has moved that was not told of. */
function news(watched: Watched): TrafficEntry[] {
  const { connection, worker, told } = watched;
  const { sentBytes, receivedBytes, tally } = connection.stats;
  if (sentBytes + receivedBytes === watched.toldBytes) return [];
  watched.toldBytes = sentBytes + receivedBytes;
  const entries: TrafficEntry[] = [];
  for (const { kind, codec, receivedBytes: up, sentBytes: down } of tally) {
    const account = `${kind} ${codec}`;
    const [toldUp, toldDown] = told.get(account) ?? [0, 0];
    if (up === toldUp && down === toldDown) continue;
    told.set(account, [up, down]);
    entries.push({ worker: worker(), kind, codec, bytesUp: up - toldUp, bytesDown: down - toldDown });
  }
  return entries;
}

/** One entry for each worker, kind and codec, in that order. */
function merged(entries: readonly TrafficEntry[]): TrafficEntry[] {
  const sums = new Map<string, TrafficEntry>();
  for (const entry of entries) {
    const name = `${entry.worker} ${entry.kind} ${entry.codec}`;
    sums.set(name, plus(entry, sums.get(name)));
  }
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

/** Traffic of all workers by kind and codec, the most first. */
export function trafficByKind(entries: readonly KindTraffic[]): KindTraffic[] {
  return merged(entries.map((entry) => ({ ...entry, worker: "" })))
    .map(({ kind, codec, bytesUp, bytesDown }) => ({ kind, codec, bytesUp, bytesDown }))
    .sort((a, b) => b.bytesUp + b.bytesDown - a.bytesUp - a.bytesDown);
}

const plus = (entry: TrafficEntry, before: TrafficEntry | undefined): TrafficEntry => ({
  ...entry,
  bytesUp: entry.bytesUp + (before?.bytesUp ?? 0),
  bytesDown: entry.bytesDown + (before?.bytesDown ?? 0),
});
