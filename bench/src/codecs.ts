/**
 * The codecs of `@weft/vector` on 25.6 million values (a ResNet-50), on one core: how fast they encode and decode, against a
 * copy of the same values in the same process, taken in turns. As a worker does it, from one update to the next: what codecs with
 * error feedback owe is added and kept, and memory is used again.
 */
import {
  createManifest,
  decodeVector,
  type EncodedVector,
  encodeVector,
  openCodec,
  parseCodecSpec,
} from "@weft/vector";
import { type BenchOptions, type Figure, median, threeDigits } from "./figure.ts";

const size = 25_600_000;
const chosen = [
  "f16",
  "bf16",
  "int8",
  "int4",
  "int2",
  "sign",
  { kind: "topK", fraction: 0.01 },
  { kind: "randomK", fraction: 0.01 },
  { kind: "lowRank", rank: 4 },
].map(parseCodecSpec);

export async function* codecs({ filter, rounds = 5 }: BenchOptions): AsyncIterable<Figure> {
  // Matrices, so that the low-rank codec has something to do.
  const manifest = createManifest(Array.from({ length: 25 }, (_, i) => ({ name: `kernel.${i}`, shape: [1000, 1024] })));
  const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.618) * Math.cos(i * 0.7));
  const copied = new Float32Array(size);
  for (const spec of chosen) {
    const codec = openCodec(spec, manifest);
    const names = { encode: `codec ${codec.text} encode`, decode: `codec ${codec.text} decode` };
    if (!Object.values(names).some((name) => name.includes(filter))) continue;
    const taken = { encode: [] as number[], decode: [] as number[], copy: [] as number[] };
    let last: EncodedVector | undefined;
    let reuse: EncodedVector | undefined;
    for (let round = 0; round < rounds + 3; round++) {
      const copy = timed(() => copied.set(values));
      let encoded: EncodedVector | undefined;
      const encode = timed(() => (encoded = encodeVector(codec, values, { seed: round, memory: last?.memory, reuse })));
      const decode = timed(() => decodeVector(codec, encoded!.bytes, copied));
      [last, reuse] = [encoded, last];
      // The first are for compiling, and for memory that is used again.
      if (round < 3) continue;
      taken.copy.push(copy);
      taken.encode.push(encode);
      taken.decode.push(decode);
      await new Promise(setImmediate);
    }
    for (const way of ["encode", "decode"] as const) {
      const ratio = median(taken[way].map((ms, i) => taken.copy[i]! / ms));
      yield {
        name: names[way],
        value: threeDigits(median(taken[way])),
        unit: "ms for 25.6 M values",
        vs: `copying them (${threeDigits(median(taken.copy))} ms)`,
        ratio: threeDigits(ratio),
      };
    }
  }
}

function timed(work: () => unknown): number {
  const startedMs = performance.now();
  work();
  return performance.now() - startedMs;
}
