/**
 * The topK and randomK codecs: of every block a fixed number of values, in int8. topK sends the places of the largest in
 * ascending order; randomK draws one place from each of as many equal stretches by a seed that travels with the block.
 */
import { ValueError } from "../errors.ts";
import { kernelsFor, type SimdFor } from "../kernels/kernels.ts";
import { type BlockCodec, checkEncodedLength, checkRun, notFinite } from "./blockCodec.ts";
import { int8 } from "./integers.ts";
import { largestMagnitude } from "./laneSums.ts";
import { largestPlaces, largestPlacesBy, type Loaded, sumAndSeek } from "./largestPlaces.ts";
import { loadRun, sumRun } from "./loadRun.ts";

/** Values kept of so many: at least one. */
export const keptOf = (elements: number, fraction: number): number =>
  Math.min(elements, Math.max(1, Math.round(elements * fraction)));

/** Places are u16, so runs go up to a block. */
const placeBytes = 2;
const seedBytes = 4;

export const topK = (fraction: number): BlockCodec => topKWith(fraction, kernelsFor);

/** @param simd gives the kernels, where there are any; the plain loops define the bits */
export function topKWith(fraction: number, simd: SimdFor): BlockCodec {
  return sparseCodec(
    {
      name: "topK",
      fraction,
      sum: sumAndSeek,
      headerBytes: (kept) => placeBytes * kept,
      choose(values, out, { loaded }) {
        const kept = keptOf(values.length, fraction);
        const places = loaded === undefined ? largestPlaces(values, kept) : largestPlacesBy(loaded, values, kept);
        for (let i = 0; i < kept; i++) {
          out[2 * i] = places[i]!;
          out[2 * i + 1] = places[i]! >>> 8;
        }
        return places;
      },
      chosen(bytes, elements) {
        const places = new Uint32Array(keptOf(elements, fraction));
        for (let i = 0; i < places.length; i++) places[i] = bytes[2 * i]! | (bytes[2 * i + 1]! << 8);
        checkPlaces(places, elements);
        return places;
      },
    },
    simd,
  );
}

export const randomK = (fraction: number): BlockCodec => randomKWith(fraction, kernelsFor);

/** @param simd gives the kernels, where there are any; the plain loops define the bits */
export function randomKWith(fraction: number, simd: SimdFor): BlockCodec {
  return sparseCodec(
    {
      name: "randomK",
      fraction,
      headerBytes: () => seedBytes,
      choose(values, out, { seed }) {
        for (let i = 0; i < seedBytes; i++) out[i] = seed >>> (8 * i);
        return drawnPlaces(values.length, fraction, seed);
      },
      chosen(bytes, elements) {
        const seed = bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24);
        return drawnPlaces(elements, fraction, seed);
      },
    },
    simd,
  );
}

interface Choice {
  readonly name: string;
  readonly fraction: number;
  headerBytes(kept: number): number;
  /** The places of the values kept, which the header tells. */
  choose(values: Float32Array, header: Uint8Array, how: Choosing): Uint32Array;
  /** Sums as `sumRun` does, where that makes the choice cheaper. */
  readonly sum?: typeof sumAndSeek;
  /** The places that a header tells. */
  chosen(header: Uint8Array, elements: number): Uint32Array;
}

interface Choosing {
  readonly seed: number;
  /** Undefined if no kernels reach the values. */
  readonly loaded: Loaded | undefined;
}

function sparseCodec(choice: Choice, simd: SimdFor): BlockCodec {
  const { name, fraction } = choice;
  const headerOf = (elements: number): number => choice.headerBytes(keptOf(elements, fraction));
  /** Encodes finite values; returns the places kept, and where their codes are. */
  const put = (values: Float32Array, out: Uint8Array, how: Choosing) => {
    const header = headerOf(values.length);
    const places = choice.choose(values, out.subarray(0, header), how);
    const picked = new Float32Array(places.length);
    for (let i = 0; i < picked.length; i++) picked[i] = values[places[i]!]!;
    const codes = out.subarray(header);
    int8.encode(picked, codes, 0);
    return { places, picked, codes };
  };
  const codec: BlockCodec = {
    name,
    encodedBytes: (elements) => headerOf(elements) + int8.encodedBytes(keptOf(elements, fraction)),
    encode(values, out, seed) {
      checkEncodedLength(codec, out, values.length);
      checkRun(name, values.length);
      const kernels = simd(values);
      const run = kernels && loadRun(kernels, values);
      if (!((run?.largest ?? largestMagnitude(values)) < Infinity)) throw notFinite(name);
      put(values, out, { seed, loaded: run && { kernels: kernels, at: run.at } });
    },
    encodeOwing(values, owed, out, seed) {
      checkEncodedLength(codec, out, values.length);
      checkRun(name, values.length);
      const kernels = simd(owed.after);
      const seek = kernels && choice.sum;
      const run = seek ? seek(kernels, values, owed) : sumRun(kernels, values, owed);
      if (!(run.largest < Infinity)) throw notFinite(name);
      const { after } = owed;
      const { places, picked, codes } = put(after, out, { seed, loaded: kernels && { kernels, ...run } });
      int8.decode(codes, picked);
      for (let i = 0; i < picked.length; i++) after[places[i]!]! -= picked[i]!;
    },
    decode(bytes, out) {
      checkEncodedLength(codec, bytes, out.length);
      checkRun(name, out.length);
      const header = headerOf(out.length);
      const places = choice.chosen(bytes.subarray(0, header), out.length);
      const picked = new Float32Array(places.length);
      int8.decode(bytes.subarray(header), picked);
      out.fill(0);
      for (let i = 0; i < picked.length; i++) out[places[i]!] = picked[i]!;
    },
  };
  return codec;
}

function checkPlaces(places: Uint32Array, elements: number): void {
  for (let i = 0; i < places.length; i++) {
    if (places[i]! < elements && (i === 0 || places[i]! > places[i - 1]!)) continue;
    throw new ValueError(
      `codec topK: place ${places[i]!} after ${places[i - 1] ?? "none"}; places ascend and stay below ${elements}`,
    );
  }
}

/** One place from each of as many stretches of equal length as values are kept. */
function drawnPlaces(elements: number, fraction: number, seed: number): Uint32Array {
  const starts = stretches(elements, keptOf(elements, fraction));
  const places = new Uint32Array(starts.length - 1);
  for (let i = 0; i < places.length; i++) {
    const start = starts[i]!;
    places[i] = start + Math.floor(mixed(seed, i) * (starts[i + 1]! - start) * 2 ** -32);
  }
  return places;
}

/** Where stretches begin, and the end of the last; the same for nearly all blocks of a vector. */
function stretches(elements: number, count: number): Uint32Array {
  if (latest.elements === elements && latest.starts.length === count + 1) return latest.starts;
  const starts = Uint32Array.from({ length: count + 1 }, (_, i) => Math.floor((i * elements) / count));
  latest = { elements, starts };
  return starts;
}

let latest = { elements: 0, starts: new Uint32Array(1) };

/** 32 well-mixed bits of a seed and a counter: the finaliser of MurmurHash3 (Appleby) over their combination. */
export function mixed(seed: number, counter: number): number {
  let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(counter + 1, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
