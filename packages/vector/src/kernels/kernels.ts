/** The SIMD kernels of this package over one small memory of their own, through which runs of at most a block pass. */
import { hasSimd, instantiateAlone, ModuleBuilder } from "@weft/emitter";
import { blockElements } from "../block.ts";
import { int2Group, int4Shape, int8Shape } from "../codec/groupShape.ts";
import { addFromSigns, addSigns } from "./sign.ts";
import { addDequantise2, addQuantise2, statisticsBytes } from "./int2.ts";
import { addLargest, addOwed } from "./owed.ts";
import { addExpand, addGather, addProject } from "./thin.ts";
import { addCount, addPlaces } from "./places.ts";
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
/** With `keep`, what is lost takes the place of the values. */
type OwingOperands = readonly [
  values: number,
  owed: number,
  scales: number,
  codes: number,
  groups: number,
  keep: 0 | 1,
];
type ThinProduct = (...operands: ThinOperands) => unknown;
type ThinOperands = readonly [values: number, thin: number, left: number, rows: number, stride: number, rank: number];
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
  /** values[i] += owed[i], for a multiple of sixteen; gives what `largest` gives for the sums. */
  readonly addOwed: (values: number, owed: number, count: number) => number;
  /** The bits of the largest magnitude of a multiple of sixteen, NaN's above infinity's. */
  readonly largest: (values: number, count: number) => number;
  /** How many values of a multiple of sixteen have a magnitude whose bits are at least `least`. */
  readonly count: (values: number, count: number, least: number) => number;
  /** Places of values whose magnitude's bits are at least `least`, as u16; gives how many. */
  readonly places: (values: number, places: number, count: number, least: number) => number;
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

let made: Kernels | undefined;
let isMade = false;

/** Compiled at the first call; undefined where there is no SIMD. */
export function kernels(): Kernels | undefined {
  if (!isMade) made = hasSimd() ? make() : undefined;
  isMade = true;
  return made;
}

function make(): Kernels | undefined {
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
  addProject(module, "project");
  addGather(module, "gather");
  addExpand(module, "expand", { takeOff: false });
  addExpand(module, "takeOff", { takeOff: true });
  addToHalves(module);
  addFromHalves(module);
  addToBrains(module);
  addFromBrains(module);
  const instance = instantiateAlone(module, memoryBytes);
  if (instance === undefined) return undefined;
  const { memory, functions } = instance;
  return {
    ...(functions as unknown as Omit<Kernels, "values" | "owed" | "bytes">),
    values: new Float32Array(memory, valuesAt, blockElements),
    owed: new Float32Array(memory, owedAt, blockElements),
    bytes: new Uint8Array(memory),
  };
}
