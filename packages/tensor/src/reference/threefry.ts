/** Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011). */

export type WordPair = readonly [number, number];

const rotations = [13, 15, 26, 6, 17, 29, 16, 24] as const;

/** The block of random words for a key and a counter. */
export function threefry(key: WordPair, counter: WordPair): [number, number] {
  const schedule = [key[0], key[1], 0x1bd11bda ^ key[0] ^ key[1]] as const;
  let x = (counter[0] + schedule[0]) | 0;
  let y = (counter[1] + schedule[1]) | 0;
  for (let round = 0; round < 20; round++) {
    const distance = rotations[round % 8]!;
    x = (x + y) | 0;
    y = ((y << distance) | (y >>> (32 - distance))) ^ x;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      x = (x + schedule[injection % 3]!) | 0;
      y = (y + schedule[(injection + 1) % 3]! + injection) | 0;
    }
  }
  return [x >>> 0, y >>> 0];
}
