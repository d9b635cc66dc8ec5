/** The SIMD kernels of this package over one small memory of their own, through which runs of at most a block pass. */
import { hasSimd, instantiateAlone, ModuleBuilder } from "@weft/emitter";
import { blockElements } from "../block.ts";
import { int4Shape, int8Shape } from "../codec/groupShape.ts";
import { addFromBrains, addFromHalves, addToBrains, addToHalves } from "./halves.ts";
import { addDequantise, addQuantise } from "./quantise.ts";

/** Where operands lie: values, then scales, then codes or halves. */
export const valuesAt = 0;
export const scalesAt = 4 * blockElements;
export const codesAt = scalesAt + 2 * (blockElements / int4Shape.group);
const memoryBytes = codesAt + 2 * blockElements;

type Quantise = (values: number, scales: number, codes: number, groups: number) => number;
type Convert = (values: number, halves: number, count: number) => unknown;

export interface Kernels {
  /** Room for a block's values. */
  readonly values: Float32Array;
  /** The whole memory. */
  readonly bytes: Uint8Array;
  readonly quantise8: Quantise;
  readonly quantise4: Quantise;
  readonly dequantise8: Quantise;
  readonly dequantise4: Quantise;
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
  addToHalves(module);
  addFromHalves(module);
  addToBrains(module);
  addFromBrains(module);
  const instance = instantiateAlone(module, memoryBytes);
  if (instance === undefined) return undefined;
  const { memory, functions } = instance;
  return {
    ...(functions as unknown as Omit<Kernels, "values" | "bytes">),
    values: new Float32Array(memory, valuesAt, blockElements),
    bytes: new Uint8Array(memory),
  };
}
