/** Images laid out with zeros around them, and cut out of wider ones, by loops like any other. */
import type { Loop, LoopOp } from "@weft/tensor";
import type { SequenceBuilder } from "../kernelSequence.ts";
import { loopKernel } from "../loops/loopKernel.ts";
import { rowMajorStrides } from "./axes.ts";

/** Copying knows no elementary functions. */
const plain = { relaxed: false };

/** Row and column counts of images [batch, row, column, channel]. */
export interface PaddedImages {
  readonly batch: number;
  readonly channels: number;
  readonly source: readonly [number, number];
  /** With the zeros, of which `low` come first; negative where the first of the source are left out. */
  readonly size: readonly [number, number];
  readonly low: readonly [number, number];
}

/** @returns the buffer of the padded images; `from` itself where there is nothing to pad */
export function padImages(sequence: SequenceBuilder, from: number, images: PaddedImages): number {
  const { batch, channels, source, size, low } = images;
  if (source.every((count, axis) => count === size[axis] && low[axis] === 0)) return from;
  const total = batch * size[0] * size[1] * channels;
  const to = sequence.temporary(4 * total);
  sequence.add(loopKernel(fillLoop(total), plain), [to]);
  const first = low.map((zeros) => Math.max(0, -zeros)) as [number, number];
  const counts = source.map((count, axis) => Math.min(count, size[axis]! - low[axis]!) - first[axis]!);
  if (counts.some((count) => count <= 0)) return to;
  const sizes = [batch, ...counts, channels];
  const read = { sizes: [batch, ...source, channels], start: [0, ...first, 0] };
  const write = { sizes: [batch, ...size, channels], start: [0, ...low.map((zeros) => Math.max(0, zeros)), 0] };
  sequence.add(loopKernel(copyLoop(sizes, read, write), plain), [from, to]);
  return to;
}

/** Copies the source out of padded images. */
export function trimImages(
  sequence: SequenceBuilder,
  [from, to]: readonly [number, number],
  { batch, channels, source, size, low }: PaddedImages,
): void {
  const sizes = [batch, ...source, channels];
  const read = { sizes: [batch, ...size, channels], start: [0, ...low, 0] };
  sequence.add(loopKernel(copyLoop(sizes, read, { sizes, start: [0, 0, 0, 0] }), plain), [from, to]);
}

/** A block of an array: the array's sizes, and the block's first index. */
interface Block {
  readonly sizes: readonly number[];
  readonly start: readonly number[];
}

function copyLoop(sizes: readonly number[], read: Block, write: Block): Loop {
  const load: LoopOp = { kind: "load", dtype: "f32", operand: 0 };
  return {
    sizes,
    kept: sizes.length,
    operands: [{ dtype: "f32", access: accessOf(read) }],
    ops: [load],
    results: [{ op: 0, dtype: "f32", reduce: undefined, access: accessOf(write) }],
  };
}

function accessOf({ sizes, start }: Block) {
  const strides = rowMajorStrides(sizes);
  return { offset: strides.reduce((sum, stride, axis) => sum + stride * start[axis]!, 0), strides };
}

function fillLoop(size: number): Loop {
  return {
    sizes: [size],
    kept: 1,
    operands: [],
    ops: [{ kind: "constant", dtype: "f32", value: 0 }],
    results: [{ op: 0, dtype: "f32", reduce: undefined, access: { offset: 0, strides: [1] } }],
  };
}
