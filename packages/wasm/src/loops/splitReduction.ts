/**
 * A reduction to few results has few tiles, however long it is. Cut into parts of its reduced elements it has as many more:
 * partial results first, then a reduction of those. The cuts follow from the shape alone, and so does every bit.
 */
import type { Access, Loop, LoopResult } from "@weft/tensor";
import { bytesPerElement } from "@weft/tensor";
import type { KernelSource, LoopOptions } from "../kernel.ts";
import type { KernelSequence } from "../kernelSequence.ts";
import { SequenceBuilder } from "../kernelSequence.ts";
import { loopKernel } from "./loopKernel.ts";
import { enoughTiles, planNest, tileWork, workOf } from "./nest.ts";

const mostParts = 16;

/** The kernel of a loop, or two where that makes more tiles. */
export function reductionKernels(loop: Loop, options: LoopOptions): KernelSource | KernelSequence {
  const parts = partsOf(loop);
  if (!parts) return loopKernel(loop, options);
  const reduced = loop.results.flatMap(({ reduce }, result) => (reduce === undefined ? [] : [result]));
  const sequence = new SequenceBuilder(loop.operands.length + loop.results.length);
  const size = product(loop.sizes.slice(0, loop.kept)) * parts.count;
  const partials = new Map(
    reduced.map((result) => [result, sequence.temporary(size * bytesPerElement[loop.results[result]!.dtype])]),
  );
  const operands = loop.operands.map((_, operand) => operand);
  const given = loop.results.map((_, result) => operands.length + result);
  sequence.add(loopKernel(partialLoop(loop, parts), options), [
    ...operands,
    ...given.map((buffer, result) => partials.get(result) ?? buffer),
  ]);
  sequence.add(loopKernel(totalLoop(loop, { reduced, count: parts.count }), options), [
    ...partials.values(),
    ...reduced.map((result) => given[result]!),
  ]);
  return sequence;
}

interface Parts {
  readonly axis: number;
  readonly count: number;
}

function partsOf(loop: Loop): Parts | undefined {
  const { sizes, kept } = loop;
  if (kept === sizes.length || planNest(loop).tiles >= enoughTiles) return undefined;
  const most = Math.min(mostParts, Math.floor(workOf(loop) / tileWork));
  const choices = sizes.map((size, axis) => ({ axis, count: axis < kept ? 1 : largestDivisor(size, most) }));
  const best = choices.reduce((a, b) => (b.count > a.count ? b : a));
  return best.count > 1 ? best : undefined;
}

function largestDivisor(size: number, most: number): number {
  for (let divisor = most; divisor > 1; divisor--) if (size % divisor === 0) return divisor;
  return 1;
}

/** The loop with its parts as a first axis, which is kept. */
function partialLoop(loop: Loop, { axis, count }: Parts): Loop {
  const length = loop.sizes[axis]! / count;
  const cut = ({ offset, strides }: Access): Access => ({ offset, strides: [strides[axis]! * length, ...strides] });
  const withAccess = <T extends { readonly access: Access }>(item: T): T => ({ ...item, access: cut(item.access) });
  const sizes = [count, ...loop.sizes.with(axis, length)];
  const partial = { offset: 0, strides: rowMajor(sizes, loop.kept + 1) };
  return {
    sizes,
    kept: loop.kept + 1,
    operands: loop.operands.map(withAccess),
    ops: loop.ops.map((op) => (op.kind === "index" ? withAccess(op) : op)),
    results: loop.results.map((result) =>
      result.reduce === undefined ? withAccess(result) : { ...result, access: partial },
    ),
  };
}

/** Reduces the partial results to the loop's own. */
function totalLoop(
  loop: Loop,
  { reduced, count }: { readonly reduced: readonly number[]; readonly count: number },
): Loop {
  const keptSizes = loop.sizes.slice(0, loop.kept);
  const strides = [...rowMajor(keptSizes, loop.kept), product(keptSizes)];
  const results = reduced.map((result) => loop.results[result]!);
  return {
    sizes: [...keptSizes, count],
    kept: loop.kept,
    operands: results.map(({ dtype }) => ({ dtype, access: { offset: 0, strides } })),
    ops: results.map(({ dtype }, operand) => ({ kind: "load", dtype, operand })),
    results: results.map((result, op): LoopResult => ({
      ...result,
      op,
      access: { ...result.access, strides: [...result.access.strides.slice(0, loop.kept), 0] },
    })),
  };
}

/** Strides of a contiguous array over the first axes; none along the others. */
function rowMajor(sizes: readonly number[], axes: number): number[] {
  return sizes.map((_, axis) => (axis < axes ? product(sizes.slice(axis + 1, axes)) : 0));
}

const product = (sizes: readonly number[]) => sizes.reduce((total, n) => total * n, 1);
