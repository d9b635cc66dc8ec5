/** The SIMD kernels of deltas over a small memory of their own; few need both these and those of codecs at once. */
import { hasSimd, instantiateAlone, ModuleBuilder } from "@weft/emitter";
import { addPack, addUnpack, groupUnits, packName, type Units, unitKinds, unpackName } from "./delta.ts";

/** Bytes of each encoding that pass at a time: whole groups of any units. */
export const pieceBytes = 131_072;
export const fromAt = 0;
export const toAt = pieceBytes;
export const deltaAt = 2 * pieceBytes;
/** Groups of the smallest units have the most widths beside them; a word behind the end may be overwritten. */
const memoryBytes = deltaAt + pieceBytes + (2 * pieceBytes) / groupUnits + 64;

export interface DeltaKernels {
  /** The whole memory. */
  readonly bytes: Uint8Array;
  /** As `addPack` and `addUnpack` say. */
  readonly pack: (units: Units, ...operands: PackOperands) => number;
  readonly unpack: (units: Units, ...operands: UnpackOperands) => number;
}

type PackOperands = readonly [from: number, to: number, delta: number, groups: number];
type UnpackOperands = readonly [from: number, to: number, delta: number, end: number, groups: number];

let made: DeltaKernels | undefined;
let isMade = false;

/** Compiled at the first call; undefined where there is no SIMD. */
export function deltaKernels(): DeltaKernels | undefined {
  if (!isMade) made = hasSimd() ? make() : undefined;
  isMade = true;
  return made;
}

function make(): DeltaKernels | undefined {
  const module = new ModuleBuilder();
  for (const units of unitKinds) {
    addPack(module, units);
    addUnpack(module, units);
  }
  const instance = instantiateAlone(module, memoryBytes);
  if (instance === undefined) return undefined;
  const { memory, functions } = instance;
  return {
    bytes: new Uint8Array(memory),
    pack: (units, ...operands) => functions[packName(units)]!(...operands),
    unpack: (units, ...operands) => functions[unpackName(units)]!(...operands),
  };
}
