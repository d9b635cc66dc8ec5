/** Divides a dataset among workers at random, by label as in McMahan et al. 2017 (FedAvg's non-IID split), or by a key it has. */
import { DataRangeError } from "./errors.ts";
import { createGenerator } from "./generator.ts";
import { Parts, partsOf } from "./parts.ts";
import { shuffled } from "./permutation.ts";

/** Every index to one worker, at random; parts differ in size by one at most. */
export function partitionIid(size: number, workers: number, seed: number): Parts {
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
): Parts {
  const shards = workers * shardsPerWorker;
  assertParts(labels.length, workers, "workers");
  assertParts(labels.length, shards, "shards");
  // Sorting by (label, index) is a stable sort by label, whatever the engine.
  const sorted = Uint32Array.from({ length: labels.length }, (_, i) => i).sort(
    (a, b) => labels[a]! - labels[b]! || a - b,
  );
  const bound = (shard: number) => Math.floor((shard * labels.length) / shards);
  const dealt = shuffled(shards, createGenerator("partition", seed));
  const order = new Uint32Array(labels.length);
  const ends = new Uint32Array(workers);
  let filled = 0;
  for (let worker = 0; worker < workers; worker++) {
    for (const shard of dealt.subarray(worker * shardsPerWorker, (worker + 1) * shardsPerWorker).sort()) {
      const own = sorted.subarray(bound(shard), bound(shard + 1));
      order.set(own, filled);
      filled += own.length;
    }
    ends[worker] = filled;
  }
  return new Parts(order, ends);
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
): Parts {
  const groups = new Map<number | string, number>();
  const groupOf = new Uint32Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const group = groups.get(keys[i]!) ?? groups.size;
    if (group === groups.size) groups.set(keys[i]!, group);
    groupOf[i] = group;
  }
  assertParts(keys.length, workers, "workers");
  if (workers > groups.size) {
    throw new DataRangeError(
      `${groups.size} different keys do not fill ${workers} workers; use at most ${groups.size}`,
    );
  }
  const workerOf = new Uint32Array(groups.size);
  shuffled(groups.size, createGenerator("partition", seed)).forEach((group, i) => (workerOf[group] = i % workers));
  return partsOf(
    groupOf.map((group) => workerOf[group]!),
    workers,
  );
}

export function assertParts(size: number, parts: number, what: string): void {
  if (!Number.isInteger(parts) || parts < 1) {
    throw new DataRangeError(`expected a whole number of ${what} of at least 1, got ${parts}`);
  }
  if (parts > size) throw new DataRangeError(`${size} examples do not fill ${parts} ${what}; use at most ${size}`);
}
