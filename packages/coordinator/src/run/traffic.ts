/** Bytes moved between rounds, by worker, kind of message and codec, over connections that come and go. */
import type { Connection } from "@weft/transport";
import type { KindTraffic } from "../events.ts";
import type { TrafficEntry } from "../store/records.ts";

/** Up is to the coordinator. */
export interface MovedBytes {
  readonly bytesUp: number;
  readonly bytesDown: number;
}

export interface RoundTrafficEntries extends MovedBytes {
  /** They add up to the bytes above. */
  readonly traffic: readonly TrafficEntry[];
}

/** Whose bytes are counted. */
export interface TrafficSource {
  readonly connection: Pick<Connection, "stats">;
  /** Its worker, as far as that is known when it is asked. */
  readonly worker: string;
}

/** What has been told of a source: bytes up and down of each entry of its tally, and all of them. */
interface Told {
  readonly bytes: readonly number[];
  readonly sum: number;
}

/** Accounts of connections that ended while no round did; those of further workers are counted together. */
const maxEnded = 16_384;

export class Traffic {
  /** Undefined where nothing has been told yet. */
  readonly #live = new Map<TrafficSource, Told | undefined>();
  /** Of connections that have ended since the last call, each kind and codec of each worker once. */
  #ended = new Map<string, TrafficEntry>();

  add(source: TrafficSource): void {
    this.#live.set(source, undefined);
  }

  /** Its connection has ended: what it has moved is told of once more. */
  ended(source: TrafficSource): void {
    const entries = this.#news(source);
    this.#live.delete(source);
    for (const entry of entries) this.#note(entry);
  }

  /** Connections that come and go while no round ends must not pile up, in memory or in the round's record. */
  #note(entry: TrafficEntry): void {
    const isKnown = this.#ended.has(nameOf(entry));
    add(this.#ended, isKnown || this.#ended.size < maxEnded ? entry : { ...entry, worker: "" });
  }

  /** Bytes received and sent since the call before. */
  sinceLast(): RoundTrafficEntries {
    const traffic = merged([
      ...this.#ended.values(),
      ...[...this.#live.keys()].flatMap((source) => this.#news(source)),
    ]);
    this.#ended = new Map();
    return { ...sumOf(traffic), traffic };
  }

  /** What a connection has moved that was not told of. */
  #news(source: TrafficSource): TrafficEntry[] {
    const { sentBytes, receivedBytes, tally } = source.connection.stats;
    const before = this.#live.get(source) ?? { bytes: [], sum: 0 };
    if (sentBytes + receivedBytes === before.sum) return [];
    const entries: TrafficEntry[] = [];
    const told: number[] = [];
    for (const { kind, codec, receivedBytes: up, sentBytes: down } of tally) {
      const [upBefore = 0, downBefore = 0] = before.bytes.slice(told.length, told.length + 2);
      told.push(up, down);
      if (up === upBefore && down === downBefore) continue;
      entries.push({ worker: source.worker, kind, codec, bytesUp: up - upBefore, bytesDown: down - downBefore });
    }
    this.#live.set(source, { bytes: told, sum: sentBytes + receivedBytes });
    return entries;
  }
}

export function sumOf(entries: readonly MovedBytes[]): MovedBytes {
  let [bytesUp, bytesDown] = [0, 0];
  for (const entry of entries) {
    bytesUp += entry.bytesUp;
    bytesDown += entry.bytesDown;
  }
  return { bytesUp, bytesDown };
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
