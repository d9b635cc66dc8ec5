/**
 * The topK and randomK codecs: of every block a fixed number of values, in int8. topK sends the places of the largest in
 * ascending order; randomK draws one place from each of as many equal stretches by a seed that travels with the block.
 */
import { blockElements } from "../block.ts";
import { allFinite } from "../check.ts";
import { ValueError } from "../errors.ts";
import { type BlockCodec, checkEncodedLength, notFinite } from "./blockCodec.ts";
import { int8 } from "./integers.ts";
import { largestPlaces } from "./largestPlaces.ts";

/** Values kept of so many: at least one. */
export const keptOf = (elements: number, fraction: number): number =>
  Math.min(elements, Math.max(1, Math.round(elements * fraction)));

/** Places are u16, so runs go up to a block. */
const placeBytes = 2;
const seedBytes = 4;

export function topK(fraction: number): BlockCodec {
  const codec: BlockCodec = {
    name: "topK",
    encodedBytes(elements) {
      const kept = keptOf(elements, fraction);
      return placeBytes * kept + int8.encodedBytes(kept);
    },
    encode(values, out) {
      checkEncodedLength(codec, out, values.length);
      const kept = keptOf(values.length, fraction);
      checkMagnitudes("topK", values);
      const places = largestPlaces(values, kept);
      const chosen = new Float32Array(kept);
      for (let i = 0; i < kept; i++) {
        const place = places[i]!;
        out[2 * i] = place;
        out[2 * i + 1] = place >>> 8;
        chosen[i] = values[place]!;
      }
      int8.encode(chosen, out.subarray(placeBytes * kept), 0);
    },
    decode(bytes, out) {
      checkEncodedLength(codec, bytes, out.length);
      const kept = keptOf(out.length, fraction);
      const places = new Uint16Array(kept);
      for (let i = 0; i < kept; i++) places[i] = bytes[2 * i]! | (bytes[2 * i + 1]! << 8);
      checkPlaces(places, out.length);
      const chosen = new Float32Array(kept);
      int8.decode(bytes.subarray(placeBytes * kept), chosen);
      out.fill(0);
      for (let i = 0; i < kept; i++) out[places[i]!] = chosen[i]!;
    },
  };
  return codec;
}

export function randomK(fraction: number): BlockCodec {
  const codec: BlockCodec = {
    name: "randomK",
    encodedBytes: (elements) => seedBytes + int8.encodedBytes(keptOf(elements, fraction)),
    encode(values, out, seed) {
      checkEncodedLength(codec, out, values.length);
      checkMagnitudes("randomK", values);
      const places = drawnPlaces(values.length, fraction, seed);
      const picked = new Float32Array(places.length);
      for (let i = 0; i < picked.length; i++) picked[i] = values[places[i]!]!;
      for (let i = 0; i < seedBytes; i++) out[i] = seed >>> (8 * i);
      int8.encode(picked, out.subarray(seedBytes), 0);
    },
    decode(bytes, out) {
      checkEncodedLength(codec, bytes, out.length);
      const seed = bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24);
      const places = drawnPlaces(out.length, fraction, seed);
      const picked = new Float32Array(places.length);
      int8.decode(bytes.subarray(seedBytes), picked);
      out.fill(0);
      for (let i = 0; i < picked.length; i++) out[places[i]!] = picked[i]!;
    },
  };
  return codec;
}

function checkMagnitudes(name: string, values: Float32Array): void {
  if (values.length > blockElements) throw new ValueError(`codec ${name}: at most ${blockElements} values at once`);
  if (!allFinite(values)) throw notFinite(name);
}

function checkPlaces(places: Uint16Array, elements: number): void {
  for (let i = 0; i < places.length; i++) {
    if (places[i]! < elements && (i === 0 || places[i]! > places[i - 1]!)) continue;
    throw new ValueError(
      `codec topK: place ${places[i]!} after ${places[i - 1] ?? "none"}; places ascend and stay below ${elements}`,
    );
  }
}

/** One place from each of as many stretches of equal length as values are kept. */
function drawnPlaces(elements: number, fraction: number, seed: number): Uint32Array {
  const kept = keptOf(elements, fraction);
  const places = new Uint32Array(kept);
  for (let i = 0; i < kept; i++) {
    const start = Math.floor((i * elements) / kept);
    const length = Math.floor(((i + 1) * elements) / kept) - start;
    places[i] = start + Math.floor((mixed(seed, i) / 2 ** 32) * length);
  }
  return places;
}

/** 32 well-mixed bits of a seed and a counter: the finaliser of MurmurHash3 (Appleby) over their combination. */
export function mixed(seed: number, counter: number): number {
  let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(counter + 1, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
