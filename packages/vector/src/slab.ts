/** Memory that exact sums, or a vector's values, lie in: WebAssembly's, with the kernels that work there, where that pays. */
import { compileAlone, hasSimd, largestPages, ModuleBuilder } from "@weft/emitter";
import { blockElements } from "./block.ts";
import { addFold, addSquaredNorm, foldName, foldStep, mostAtOnce } from "./kernels/fold.ts";

/** What a slab of WebAssembly memory can do; addresses are byte offsets. */
export interface FoldKernels {
  /** Room for the values of so many blocks, one after the other from address 0; nothing is kept there by the slab itself. */
  readonly slots: readonly Float32Array[];
  /** Sum of squares, to some 1e-6; not finite when a value is not, or is too large for a square in f32. */
  readonly squaredNorm: (values: number, count: number) => number;
  /** Adds contributions to the raised sums of a block, or puts their sum there. */
  readonly fold: (sums: number, contributions: readonly SlotContribution[], how: Folding) => void;
}

/** Values in a slot, and what they count. */
export interface SlotContribution {
  readonly slot: number;
  readonly weight: number;
}

export interface Folding {
  /** Elements, a multiple of `foldStep`. */
  readonly count: number;
  readonly magic: number;
  /** What the sums hold is not looked at. */
  readonly fresh: boolean;
}

export interface Slab {
  readonly buffer: ArrayBuffer;
  /** Where its `bytes` begin in the buffer. */
  readonly start: number;
  readonly bytes: number;
  /** Absent where the plain loops do. */
  readonly kernels: FoldKernels | undefined;
}

const pageBytes = 65536;
const slotBytes = 4 * blockElements;
/** Below this, compiling the kernels costs more than they gain. */
const leastBytes = 128 * 1024;
/** Sums beyond so many bytes have the fewest slots that fill a pass: there are several such slabs of a model, and less memory is left. */
const largeBytes = 16 * 1024 * 1024;

/** Memory is taken from the system as it is written to, not before. */
export function createSlab(bytes: number): Slab {
  const slots = bytes > largeBytes ? mostAtOnce : 32;
  const start = slots * slotBytes;
  const fits = bytes >= leastBytes && bytes + start <= largestPages * pageBytes;
  const made = fits && hasSimd() ? instantiate(start + bytes) : undefined;
  if (made === undefined) return { buffer: new ArrayBuffer(bytes), start: 0, bytes, kernels: undefined };
  const { memory, functions } = made;
  const kernels: FoldKernels = {
    slots: Array.from({ length: slots }, (_, slot) => new Float32Array(memory, slot * slotBytes, blockElements)),
    squaredNorm: functions["squaredNorm"] as FoldKernels["squaredNorm"],
    fold(sums, contributions, { count, magic, fresh }) {
      for (let first = 0; first < contributions.length; first += mostAtOnce) {
        const some = contributions.slice(first, first + mostAtOnce);
        const at = some.map(({ slot }) => slot * slotBytes);
        const weights = some.map(({ weight }) => weight);
        functions[foldName(some.length, fresh && first === 0)]!(sums, count, magic, ...at, ...weights);
      }
    },
  };
  return { buffer: memory, start, bytes, kernels };
}

let compiled: ReturnType<typeof compileAlone>;

/** Compiled once, in ten milliseconds or more: the memory itself costs next to nothing. */
function instantiate(memoryBytes: number) {
  compiled ??= compileAlone(foldModule());
  return compiled?.(memoryBytes);
}

/** Bytes of the sums of so many elements. */
export const sumBytes = (elements: number): number => 8 * Math.ceil(elements / foldStep) * foldStep;

function foldModule(): ModuleBuilder {
  const module = new ModuleBuilder();
  addSquaredNorm(module, "squaredNorm");
  for (let contributions = 1; contributions <= mostAtOnce; contributions++) {
    for (const fresh of [false, true]) addFold(module, contributions, fresh);
  }
  return module;
}
