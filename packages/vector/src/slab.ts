/** Memory that exact sums, or a vector's values, lie in: WebAssembly's, with the kernels that work there, where that pays. */
import { hasSimd, instantiateAlone, largestPages, ModuleBuilder } from "@weft/emitter";
import { blockElements } from "./block.ts";
import { addFold, addSquaredNorm, foldStep } from "./kernels/fold.ts";

/** What a slab of WebAssembly memory can do; addresses are byte offsets. */
export interface FoldKernels {
  /** Room for the values of a block, at address 0. */
  readonly scratch: Float32Array;
  /** Sum of squares, to some 1e-6; not finite when a value is not, or is too large for a square in f32. */
  readonly squaredNorm: (values: number, count: number) => number;
  /** Adds weighted values, rounded to the grid, to sums. */
  readonly add: (values: number, sums: number, ...how: Folding) => unknown;
  /** Puts them in the place of what the sums were. */
  readonly put: (values: number, sums: number, ...how: Folding) => unknown;
}

type Folding = readonly [count: number, weight: number, magic: number];

export interface Slab {
  readonly buffer: ArrayBuffer;
  /** Where its `bytes` begin in the buffer. */
  readonly start: number;
  readonly bytes: number;
  /** Absent where the plain loops do. */
  readonly kernels: FoldKernels | undefined;
}

const pageBytes = 65536;
const scratchBytes = 4 * blockElements;
/** Below this, compiling the kernels costs more than they gain. */
const leastBytes = 128 * 1024;

/** Memory is taken from the system as it is written to, not before. */
export function createSlab(bytes: number): Slab {
  const fits = bytes >= leastBytes && bytes + scratchBytes <= largestPages * pageBytes;
  const made = fits && hasSimd() ? instantiateAlone(foldModule(), scratchBytes + bytes) : undefined;
  if (made === undefined) return { buffer: new ArrayBuffer(bytes), start: 0, bytes, kernels: undefined };
  const functions = made.functions as unknown as Omit<FoldKernels, "scratch">;
  const scratch = new Float32Array(made.memory, 0, blockElements);
  return { buffer: made.memory, start: scratchBytes, bytes, kernels: { ...functions, scratch } };
}

/** Bytes of the sums of so many elements. */
export const sumBytes = (elements: number): number => 8 * Math.ceil(elements / foldStep) * foldStep;

function foldModule(): ModuleBuilder {
  const module = new ModuleBuilder();
  addSquaredNorm(module, "squaredNorm");
  addFold(module, "add", { fresh: false });
  addFold(module, "put", { fresh: true });
  return module;
}
