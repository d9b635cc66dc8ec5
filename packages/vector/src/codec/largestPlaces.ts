/** Which values of a run are largest in magnitude: two passes of counting over their bits, no sorting of the whole. */

/** Upper half of an f32's magnitude: sign left out, so 2^15 of them. */
const bins = 2 ** 15;

/**
 * Places of the `kept` largest magnitudes, ascending; of equal ones the first.
 *
 * @param values finite; at least `kept` of them
 */
export function largestPlaces(values: Float32Array, kept: number): Uint32Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const counts = new Uint32Array(bins);
  for (let i = 0; i < words.length; i++) counts[(words[i]! & 0x7fffffff) >>> 16]! += 1;
  // Everything above `bin` is kept, and `missing` of those in it.
  let bin = bins;
  let missing = kept;
  while (bin > 0 && (bin === bins || counts[bin]! < missing)) {
    if (bin < bins) missing -= counts[bin]!;
    bin -= 1;
  }
  const lowest = thresholdWithin(words, bin, missing);
  const places = new Uint32Array(kept);
  let found = 0;
  let { ties } = lowest;
  for (let i = 0; i < words.length; i++) {
    const magnitude = words[i]! & 0x7fffffff;
    if (magnitude < lowest.magnitude) continue;
    if (magnitude === lowest.magnitude && ties-- <= 0) continue;
    places[found++] = i;
  }
  return places;
}

/** The smallest magnitude to keep when `wanted` of a bin's are, and how many equal to it. */
function thresholdWithin(words: Uint32Array, bin: number, wanted: number): { magnitude: number; ties: number } {
  const counts = new Uint32Array(65536);
  for (let i = 0; i < words.length; i++) {
    if ((words[i]! & 0x7fffffff) >>> 16 === bin) counts[words[i]! & 0xffff]! += 1;
  }
  let low = 65535;
  let ties = wanted;
  while (counts[low]! < ties) ties -= counts[low--]!;
  return { magnitude: bin * 65536 + low, ties };
}
