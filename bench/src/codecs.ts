/**
 * The codecs of `@weft/vector` on 25.6 million values (a ResNet-50), on one core: how fast they encode and decode, and make and
 * apply deltas, against a copy of the same values in the same process, taken in turns. As a worker does it, from one update to the
 * next: what codecs with error feedback owe is added and kept, and two encodings take turns in memory.
 */
import {
  applyDelta,
  createManifest,
  decodeVector,
  encodeDelta,
  type EncodedVector,
  encodeVector,
  encodingRoom,
  openCodec,
  parseCodecSpec,
  type PlainCodec,
  type VectorCodec,
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
/** Those that carry versions. */
const withDeltas: readonly PlainCodec[] = ["f32", "f16", "bf16", "int8", "int4"];

/** What is done, and again with the results of before; the first rounds are for compiling, and for memory that is used again. */
type Work = Readonly<Record<string, (round: number) => unknown>>;
const roundsBefore = 3;

export async function* codecs({ filter, rounds = 5 }: BenchOptions): AsyncIterable<Figure> {
  // Matrices, so that the low-rank codec has something to do.
  const manifest = createManifest(Array.from({ length: 25 }, (_, i) => ({ name: `kernel.${i}`, shape: [1000, 1024] })));
  const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.618) * Math.cos(i * 0.7));
  const copied = new Float32Array(size);
  const copy = () => {
    copied.set(values);
  };
  for (const spec of chosen) {
    const codec = openCodec(spec, manifest);
    const name = `codec ${codec.text}`;
    if (`${name} encode ${name} decode`.includes(filter)) {
      yield* measured(name, { copy, work: codingOf(codec, values, copied), rounds });
    }
  }
  const next = values.map((value, i) => value + 1e-4 * Math.sin(i * 0.37));
  for (const kind of withDeltas) {
    const codec = openCodec({ kind }, manifest);
    const name = `delta ${codec.text}`;
    if (!`${name} encode ${name} apply`.includes(filter)) continue;
    const [from, to] = [values, next].map((vector) => encodeVector(codec, vector, { seed: 0 }).bytes);
    yield* measured(name, { copy, work: deltaOf(codec, from!, to!), rounds });
  }
}

function codingOf(codec: VectorCodec, values: Float32Array, decoded: Float32Array): Work {
  const room = encodingRoom(codec);
  let last: EncodedVector | undefined;
  return {
    encode: (round) =>
      (last = encodeVector(codec, values, { seed: round, memory: last?.memory, reuse: room[round & 1 ? 1 : 0] })),
    decode: () => {
      decodeVector(codec, last!.bytes, decoded);
    },
  };
}

/** Of versions that differ by 1e-4 at most, of values up to 1. */
function deltaOf(codec: VectorCodec, from: Uint8Array, to: Uint8Array): Work {
  const led = new Uint8Array(to.length);
  let parts: Uint8Array[] = [];
  return {
    encode: () => (parts = [...encodeDelta(codec, from, to)]),
    join: () => (parts = [new Uint8Array(Buffer.concat(parts))]),
    apply: () => Array.from(applyDelta(codec, parts[0]!, { from, to: led })),
  };
}

async function* measured(
  name: string,
  { copy, work, rounds }: { readonly copy: () => void; readonly work: Work; readonly rounds: number },
): AsyncIterable<Figure> {
  const copies: number[] = [];
  const taken = new Map(Object.keys(work).map((what) => [what, [] as number[]]));
  for (let round = 0; round < rounds + roundsBefore; round++) {
    const copyMs = timed(copy);
    if (round >= roundsBefore) copies.push(copyMs);
    for (const [what, does] of Object.entries(work)) {
      const ms = timed(() => does(round));
      if (round >= roundsBefore) taken.get(what)!.push(ms);
    }
    await new Promise(setImmediate);
  }
  for (const what of ["encode", "decode", "apply"]) {
    const ms = taken.get(what);
    if (ms === undefined) continue;
    yield {
      name: `${name} ${what}`,
      value: threeDigits(median(ms)),
      unit: "ms for 25.6 M values",
      vs: `copying them (${threeDigits(median(copies))} ms)`,
      ratio: threeDigits(median(ms.map((one, i) => copies[i]! / one))),
    };
  }
}

function timed(work: () => unknown): number {
  const startedMs = performance.now();
  work();
  return performance.now() - startedMs;
}
