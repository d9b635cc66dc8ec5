/** The SIMD kernels of this package over one small memory of their own, through which runs of at most a block pass. */
import { compileAlone, hasSimd, type InstantiatedModule, largestPages, ModuleBuilder } from "@weft/emitter";
import { blockElements } from "../block.ts";
import { int2Group, int4Shape, int8Shape } from "../codec/groupShape.ts";
import { addFromSigns, addSigns } from "./sign.ts";
import { addDequantise2, addQuantise2, statisticsBytes } from "./int2.ts";
import { addLargest, addOwed } from "./owed.ts";
import { addExpand, addGather, addProject } from "./thin.ts";
import { addCount, addPlaces, addSumsAndPlaces } from "./places.ts";
import { addFromBrains, addFromHalves, addToBrains, addToHalves } from "./halves.ts";
import { addDequantise, addQuantise } from "./quantise.ts";

/** Where operands lie: values, then scales, then codes or halves, then what is owed, then statistics of groups. */
export const valuesAt = 0;
export const scalesAt = 4 * blockElements;
export const codesAt = scalesAt + 2 * (blockElements / int4Shape.group);
export const owedAt = codesAt + 2 * blockElements;
const statisticsAt = owedAt + 4 * blockElements;
const memoryBytes = statisticsAt + statisticsBytes * (blockElements / int2Group);

type Quantise = (values: number, scales: number, codes: number, groups: number) => number;
type QuantiseOwing = (...operands: OwingOperands) => number;
/** What is lost goes to `after`, which may be where the values are, unless that is `nowhere`. */
type OwingOperands = readonly [
  values: number,
  owed: number,
  after: number,
  scales: number,
  codes: number,
  groups: number,
];
type ThinProduct = (...operands: ThinOperands) => unknown;
type ThinOperands = readonly [values: number, thin: number, left: number, rows: number, stride: number, rank: number];
type SumsAndPlacesOperands = readonly [
  values: number,
  owed: number,
  after: number,
  count: number,
  places: number,
  magnitudes: number,
  least: number,
];
type PlacesOperands = readonly [values: number, places: number, magnitudes: number, count: number, least: number];
type Convert = (values: number, halves: number, count: number) => unknown;

export interface Kernels {
  /** Room for a block's values. */
  readonly values: Float32Array;
  /** Room for as much of what is owed. */
  readonly owed: Float32Array;
  /** The whole memory. */
  readonly bytes: Uint8Array;
  readonly quantise8: Quantise;
  readonly quantise4: Quantise;
  readonly dequantise8: Quantise;
  readonly dequantise4: Quantise;
  readonly quantise2: QuantiseOwing;
  /** As the other, of the sums with what is owed. */
  readonly quantise2Owing: QuantiseOwing;
  readonly dequantise2: Quantise;
  readonly signs: QuantiseOwing;
  readonly signsOwing: QuantiseOwing;
  readonly fromSigns: Quantise;
  /** after[i] = values[i] + owed[i], for a multiple of sixteen; gives what `largest` gives for the sums. */
  readonly addOwed: (values: number, owed: number, after: number, count: number) => number;
  /** The bits of the largest magnitude of a multiple of sixteen, NaN's above infinity's. */
  readonly largest: (values: number, count: number) => number;
  /** How many values of a multiple of sixteen have a magnitude whose bits are at least `least`. */
  readonly count: (values: number, count: number, least: number) => number;
  /** Places of values whose magnitude's bits are at least `least`, as u16, and those bits; gives how many. */
  readonly places: (...operands: PlacesOperands) => number;
  /** As `addOwed`, and as `places` of the sums; magnitudes may be written over what is owed. */
  readonly sumsAndPlaces: (...operands: SumsAndPlacesOperands) => number;
  /** Products of a panel of rows with thin matrices; see `thin.ts`. */
  readonly project: ThinProduct;
  readonly gather: ThinProduct;
  readonly expand: ThinProduct;
  readonly takeOff: ThinProduct;
  readonly toHalves: Convert;
  readonly fromHalves: Convert;
  readonly toBrains: Convert;
  readonly fromBrains: Convert;
}

/** The kernels for what comes from an array or goes there; undefined where the plain loops are to do it. */
export type SimdFor = (array: Float32Array) => Kernels | undefined;

let compiled: ReturnType<typeof compileAlone>;
let isCompiled = false;
let made: Kernels | undefined;

/** Compiled at the first call; undefined where there is no SIMD. */
export function kernels(): Kernels | undefined {
  made ??= kernelsWith(memoryBytes);
  return made;
}

/** The kernels that reach an array where it lies, or those that it is copied for. */
export function kernelsFor(array: Float32Array): Kernels | undefined {
  return withRoom.get(array.buffer) ?? kernels();
}

/** Where an array lies in the kernels' memory, if it does. */
export function addressIn({ bytes }: Kernels, array: Float32Array | undefined): number | undefined {
  return array?.buffer === bytes.buffer ? array.byteOffset : undefined;
}

const withRoom = new WeakMap<ArrayBufferLike, Kernels>();

/**
 * Arrays of `elements` that kernels reach where they lie, which saves copying them to and fro; arrays like any other where there
 * is no SIMD, or not as much memory in one piece. Memory is taken from the system as it is written to, not before.
 */
export function createRoom(elements: number, count: number): Float32Array[] {
  const strideBytes = Math.ceil((4 * elements) / pageBytes) * pageBytes;
  const bytes = roomAt + count * strideBytes;
  const own = bytes <= largestPages * 65536 ? kernelsWith(bytes) : undefined;
  if (own === undefined) return Array.from({ length: count }, () => new Float32Array(elements));
  const { buffer } = own.bytes;
  withRoom.set(buffer, own);
  return Array.from({ length: count }, (_, i) => new Float32Array(buffer, roomAt + i * strideBytes, elements));
}

/** Of memory, as processors divide it. */
const pageBytes = 4096;
const roomAt = Math.ceil(memoryBytes / pageBytes) * pageBytes;

function kernelsWith(bytes: number): Kernels | undefined {
  if (!isCompiled) compiled = hasSimd() ? compileAlone(kernelModule()) : undefined;
  isCompiled = true;
  if (compiled === undefined) return undefined;
  let instance: InstantiatedModule;
  try {
    instance = compiled(bytes);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  const { memory, functions } = instance;
  return {
    ...(functions as unknown as Omit<Kernels, "values" | "owed" | "bytes">),
    values: new Float32Array(memory, valuesAt, blockElements),
    owed: new Float32Array(memory, owedAt, blockElements),
    bytes: new Uint8Array(memory),
  };
}

function kernelModule(): ModuleBuilder {
  const module = new ModuleBuilder();
  addQuantise(module, "quantise8", int8Shape);
  addQuantise(module, "quantise4", int4Shape);
  addDequantise(module, "dequantise8", int8Shape);
  addDequantise(module, "dequantise4", int4Shape);
  addQuantise2(module, "quantise2", { statistics: statisticsAt, owing: false });
  addQuantise2(module, "quantise2Owing", { statistics: statisticsAt, owing: true });
  addDequantise2(module, "dequantise2");
  addSigns(module, "signs", { owing: false });
  addSigns(module, "signsOwing", { owing: true });
  addFromSigns(module, "fromSigns");
  addOwed(module, "addOwed");
  addLargest(module, "largest");
  addCount(module, "count");
  addPlaces(module, "places");
  addSumsAndPlaces(module, "sumsAndPlaces");
  addProject(module, "project");
  addGather(module, "gather");
  addExpand(module, "expand", { takeOff: false });
  addExpand(module, "takeOff", { takeOff: true });
  addToHalves(module);
  addFromHalves(module);
  addToBrains(module);
  addFromBrains(module);
  return module;
}
