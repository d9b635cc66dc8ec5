/** Bytes moved between rounds, by worker, kind of message and codec, over connections that come and go. */
import type { Connection, TallyEntry } from "@weft/transport";
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
  readonly connection: Pick<Connection, "stats" | "closed">;
  readonly worker: () => string;
  /** Bytes told of so far, by account, and all of them. */
  readonly told: Map<TallyEntry, { up: number; down: number }>;
  toldBytes: number;
}

/** Accounts of connections that ended while no round did; those of further workers are counted together. */
const maxEnded = 16_384;

export class Traffic {
  readonly #live = new Set<Watched>();
  /** Of connections that have ended since the last call, each kind and codec of each worker once. */
  #ended = new Map<string, TrafficEntry>();

  /** @param worker whose connection it is, as far as that is known when it is asked */
  add(connection: Watched["connection"], worker: () => string): void {
    const watched: Watched = { connection, worker, told: new Map(), toldBytes: 0 };
    this.#live.add(watched);
    void connection.closed.then(() => {
      this.#live.delete(watched);
      for (const entry of news(watched)) this.#note(entry);
    });
  }

  /** Connections that come and go while no round ends must not pile up, in memory or in the round's record. */
  #note(entry: TrafficEntry): void {
    const isKnown = this.#ended.has(nameOf(entry));
    add(this.#ended, isKnown || this.#ended.size < maxEnded ? entry : { ...entry, worker: "" });
  }

  /** Bytes received and sent since the call before. */
  sinceLast(): RoundTrafficEntries {
    const traffic = merged([...this.#ended.values(), ...[...this.#live].flatMap(news)]);
    this.#ended = new Map();
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
  for (const account of tally) {
    const { kind, codec, receivedBytes: up, sentBytes: down } = account;
    const before = told.get(account) ?? { up: 0, down: 0 };
    if (up === before.up && down === before.down) continue;
    told.set(account, { up, down });
    entries.push({ worker: worker(), kind, codec, bytesUp: up - before.up, bytesDown: down - before.down });
  }
  return entries;
}

/** One entry for each worker, kind and codec, in that order. */
function merged(entries: readonly TrafficEntry[]): TrafficEntry[] {
  const sums = new Map<string, TrafficEntry>();
  for (const entry of entries) add(sums, entry);
  return [...sums.keys()].sort().flatMap((name) => sums.get(name) ?? []);
}

/** Traffic of all workers by kind and codec, the most first. */
export function trafficByKind(entries: readonly KindTraffic[]): KindTraffic[] {
  return merged(entries.map((entry) => ({ ...entry, worker: "" })))
    .map(({ kind, codec, bytesUp, bytesDown }) => ({ kind, codec, bytesUp, bytesDown }))
    .sort((a, b) => b.bytesUp + b.bytesDown - a.bytesUp - a.bytesDown);
}

const nameOf = ({ worker, kind, codec }: TrafficEntry) => `${worker} ${kind} ${codec}`;

function add(sums: Map<string, TrafficEntry>, entry: TrafficEntry): void {
  const name = nameOf(entry);
  const before = sums.get(name);
  if (before === undefined) sums.set(name, entry);
  else {
    const [bytesUp, bytesDown] = [entry.bytesUp + before.bytesUp, entry.bytesDown + before.bytesDown];
    sums.set(name, { ...before, bytesUp, bytesDown });
  }
}
