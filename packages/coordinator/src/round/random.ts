/** Counter-based choices: a hash of the run's seed and where the choice is made, so any of them can be made again alone. */

/** 32 well-mixed bits of some numbers: MurmurHash3 (Appleby) over their low and high words. */
export function hashOf(...numbers: readonly number[]): number {
  let hash = 0x9747b28c;
  for (const number of numbers) {
    hash = mixWord(hash, number >>> 0);
    hash = mixWord(hash, Math.floor(number / 2 ** 32) >>> 0);
  }
  hash ^= numbers.length * 8;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function mixWord(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const mixed = hash ^ k;
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

/**
 * Seed of the random choices inside one worker's order, such as dropout. It depends on the place in the cohort, not on
 * who fills it, so the same number of workers gives the same bits whoever they are.
 *
 * @param round counts from 1
 * @param place index in the cohort for gradient work, number of the partition (or slot) for local work
 */
export function orderSeed(seed: number, round: number, place: number): number {
  return hashOf(seed, 1, round, place);
}

/** Seed of a worker's stream of its own examples. */
export function streamSeed(seed: number, slot: number): number {
  return hashOf(seed, 2, slot);
}

/** `count` of `size` places, chosen without preference, in order: the first steps of a Fisher-Yates shuffle. */
export function sampledPlaces(size: number, count: number, key: readonly number[]): number[] {
  if (count >= size) return Array.from({ length: size }, (_, place) => place);
  // What the shuffle has moved so far.
  const moved = new Map<number, number>();
  const chosen: number[] = [];
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor((hashOf(...key, i) / 2 ** 32) * (size - i));
    chosen.push(moved.get(j) ?? j);
    moved.set(j, moved.get(i) ?? i);
  }
  return chosen.sort((a, b) => a - b);
}
