/** Divides a dataset among workers at random, by label as in McMahan et al. 2017 (FedAvg's non-IID split), or by a key it has. */
import { DataRangeError } from "./errors.ts";
import { createGenerator } from "./generator.ts";
import { Parts } from "./parts.ts";
import { shuffled } from "./permutation.ts";

/** Every index to one worker, at random; parts differ in size by one at most. */
export function partitionIid(size: number, workers: number, seed: number): Uint32Array[] {
  return [...iidParts(size, workers, seed)];
}

/** The parts of `partitionIid` for very many workers. */
export function iidParts(size: number, workers: number, seed: number): Parts {
  assertParts(size, workers, "workers");
  const ends = Uint32Array.from({ length: workers }, (_, part) => Math.floor(((part + 1) * size) / workers));
  return new Parts(shuffled(size, createGenerator("partition", seed)), ends);
}

/**
 * Sorts the examples by label, cuts them into workers × shardsPerWorker shards that differ in size by one at most, and deals
 * each worker its shards at random: most workers see only `shardsPerWorker` labels.
 *
 * @param labels one whole number per example
 */
export function partitionShards(
  labels: ArrayLike<number>,
  { workers, shardsPerWorker, seed }: { workers: number; shardsPerWorker: number; seed: number },
): Uint32Array[] {
  const shards = workers * shardsPerWorker;
  assertParts(labels.length, workers, "workers");
  assertParts(labels.length, shards, "shards");
  // Sorting by (label, index) is a stable sort by label, whatever the engine.
  const sorted = Uint32Array.from({ length: labels.length }, (_, i) => i).sort(
    (a, b) => labels[a]! - labels[b]! || a - b,
  );
  const cuts = ranges(labels.length, shards);
  const dealt = shuffled(shards, createGenerator("partition", seed));
  return Array.from({ length: workers }, (_, worker) => {
    const own = dealt.slice(worker * shardsPerWorker, (worker + 1) * shardsPerWorker).sort();
    return Uint32Array.from([...own].flatMap((shard) => [...sorted.subarray(...(cuts[shard] ?? [0, 0]))]));
  });
}

/**
 * Whoever has the same key stays together: the writers, speakers or devices that the examples came from. With fewer workers
 * than keys each worker gets several, dealt at random.
 *
 * @param keys one per example, compared as they are
 * @throws {DataRangeError} for more workers than keys
 */
export function partitionByKey(
  keys: ArrayLike<number | string>,
  { workers, seed }: { workers: number; seed: number },
): Uint32Array[] {
  const groups = new Map<number | string, number[]>();
  for (let i = 0; i < keys.length; i++) {
    const group = groups.get(keys[i]!);
    if (group === undefined) groups.set(keys[i]!, [i]);
    else group.push(i);
  }
  assertParts(keys.length, workers, "workers");
  if (workers > groups.size) {
    throw new DataRangeError(
      `${groups.size} different keys do not fill ${workers} workers; use at most ${groups.size}`,
    );
  }
  const all = [...groups.values()];
  const parts = Array.from({ length: workers }, (): number[] => []);
  shuffled(all.length, createGenerator("partition", seed)).forEach((group, i) => {
    const part = parts[i % workers]!;
    for (const index of all[group]!) part.push(index);
  });
  return parts.map((part) => Uint32Array.from(part).sort());
}

/** `parts` consecutive ranges of 0..size that differ in length by one at most. */
export function ranges(size: number, parts: number): [start: number, stop: number][] {
  const bound = (part: number) => Math.floor((part * size) / parts);
  return Array.from({ length: parts }, (_, part) => [bound(part), bound(part + 1)]);
}

export function assertParts(size: number, parts: number, what: string): void {
  if (!Number.isInteger(parts) || parts < 1) {
    throw new DataRangeError(`expected a whole number of ${what} of at least 1, got ${parts}`);
  }
  if (parts > size) throw new DataRangeError(`${size} examples do not fill ${parts} ${what}; use at most ${size}`);
}
