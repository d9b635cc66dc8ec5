/** Chooses how a fused loop runs: along which axis its vectors lie, how far it is unrolled, and how it divides into tiles. */
import type { Access, Loop, LoopOperand } from "@weft/tensor";
import { bytesPerElement } from "@weft/tensor";
import { operationCost } from "./operations.ts";

/** One address (or counter, for `index` operations) that follows the loop's indices. */
export interface Stream {
  /** Position among the kernel's pointers; undefined for a counter, which starts at 0. */
  readonly pointer: number | undefined;
  /** Bytes (or counts) from the pointer, and per step of each axis. */
  readonly offset: number;
  readonly steps: readonly number[];
}

export interface Nest {
  readonly loop: Loop;
  /**
   * `map`: no reduction. `blocks`: none either, and some operand lies across, contiguous along `blockAxis`. `columns`: vectors
   * along the last kept axis. `rows`: vectors along the last reduced axis.
   */
  readonly kind: "map" | "blocks" | "columns" | "rows";
  readonly vectorAxis: number;
  /** Vectors per turn of the innermost loop. */
  readonly unroll: number;
  /** Walked `blockRows` indices at a time, if defined. */
  readonly blockAxis: number | undefined;
  /** Kept axes that are walked index by index, or block by block, and the number of turns of each. */
  readonly rowAxes: readonly number[];
  readonly rowCounts: readonly number[];
  readonly rows: number;
  readonly rowsPerTile: number;
  /** Elements of the vector axis in one tile, when one row is several tiles; else all of them. */
  readonly chunk: number;
  readonly chunks: number;
  readonly tiles: number;
  /** Streams of operands, then of results, then of `index` operations in order. */
  readonly streams: readonly Stream[];
}

/** Rows of a block: two registers of four, half a cache line. */
export const blockRows = 8;

/** Operations per tile that are worth handing to a thread. */
export const tileWork = 1 << 16;

/** With so many tiles threads find work. */
export const enoughTiles = 8;

/** Operations of a whole loop. */
export function workOf({ sizes, ops }: Loop): number {
  return product(sizes) * costOf(ops);
}

const costOf = (ops: Loop["ops"]) => ops.reduce((sum, op) => sum + operationCost(op), 0);

export function planNest(given: Loop): Nest {
  const loop = given.kept === 0 ? withUnitAxis(given) : given;
  const { sizes, kept } = loop;
  const reducedSize = product(sizes.slice(kept));
  const reduces = kept < sizes.length;
  const vectorAxis = reduces && !vectorsLieAlongKept(loop) ? sizes.length - 1 : kept - 1;
  const blockAxis = reduces ? undefined : crossingAxis(loop, vectorAxis);
  const mapKind = blockAxis === undefined ? "map" : "blocks";
  const kind = !reduces ? mapKind : vectorAxis < kept ? "columns" : "rows";
  const length = sizes[vectorAxis]!;
  const plainAxes = sizes.flatMap((_, axis) =>
    axis < kept && axis !== vectorAxis && axis !== blockAxis ? [axis] : [],
  );
  const rowAxes = blockAxis === undefined ? plainAxes : [...plainAxes, blockAxis];
  const rowCounts = rowAxes.map((axis) => Math.ceil(sizes[axis]! / (axis === blockAxis ? blockRows : 1)));
  const rows = product(rowCounts);
  const cost = costOf(loop.ops);
  const unroll = Math.max(1, Math.min(Math.ceil(length / 4), unrollOf(kind, loop, cost)));

  const perElement = cost * (kind === "columns" ? reducedSize : kind === "blocks" ? blockRows : 1);
  const perRow = kind === "rows" ? reducedSize * cost : length * perElement;
  const block = 4 * unroll;
  const wanted = Math.max(1, Math.floor(tileWork / perElement / block)) * block;
  const divides = kind === "map" || kind === "columns";
  const chunk = divides && perRow > 2 * tileWork ? Math.min(length, wanted) : length;
  const chunks = Math.ceil(length / chunk);
  const most = rows * perRow > 2 * tileWork ? Math.floor(rows / enoughTiles) : rows;
  const rowsPerTile = chunks > 1 ? 1 : Math.max(1, Math.min(most, Math.floor(tileWork / perRow)));
  const tiles = chunks > 1 ? rows * chunks : Math.ceil(rows / rowsPerTile);
  return {
    loop,
    kind,
    vectorAxis,
    unroll,
    blockAxis,
    rowAxes,
    rowCounts,
    rows,
    rowsPerTile,
    chunk,
    chunks,
    tiles,
    streams: streamsOf(loop),
  };
}

/**
 * Vectors of one turn are computed side by side (`FunctionBuilder.interleave`). Long chains of operations gain the most, exp a
 * sixth and the gates of an LSTM a third; very long loops stay short code, for it must be compiled.
 */
function unrollOf(kind: Nest["kind"], loop: Loop, cost: number): number {
  if (kind === "map" || kind === "blocks") return cost <= 160 ? 4 : cost <= 320 ? 2 : 1;
  const reductions = loop.results.filter(({ reduce }) => reduce).length;
  const limit = cost <= 10 ? 8 : cost <= 160 ? 4 : 2;
  return Math.max(1, Math.floor(limit / reductions));
}

/** An axis along which operands are contiguous that are not along the vector axis; worth a detour through registers. */
function crossingAxis({ sizes, operands }: Loop, vectorAxis: number): number | undefined {
  if (sizes[vectorAxis]! < 4) return undefined;
  const crossing = operands.filter(({ access }) => Math.abs(access.strides[vectorAxis]!) > 1);
  const axis = sizes.findIndex((size, i) => size >= 4 && crossing.some(({ access }) => access.strides[i] === 1));
  return axis === -1 ? undefined : axis;
}

/** Whether an operand is read in blocks that are turned over in registers. */
export function isCrossing({ vectorAxis, blockAxis }: Nest, { dtype, access }: LoopOperand): boolean {
  const lies = blockAxis !== undefined && access.strides[blockAxis] === 1 && Math.abs(access.strides[vectorAxis]!) > 1;
  return lies && dtype !== "bool";
}

/** Whether more operands are contiguous along the last kept axis than along the last reduced one. */
function vectorsLieAlongKept(loop: Loop): boolean {
  const along = (axis: number) => {
    const lanes = Math.min(loop.sizes[axis]!, 4);
    return lanes === 1 ? 0 : lanes * loop.operands.filter(({ access }) => access.strides[axis] === 1).length;
  };
  return along(loop.kept - 1) > along(loop.sizes.length - 1);
}

function streamsOf(loop: Loop): Stream[] {
  const inMemory = [...loop.operands, ...loop.results].map(({ dtype, access }, pointer) =>
    streamOf(pointer, access, bytesPerElement[dtype]),
  );
  const counters = loop.ops.flatMap((op) => (op.kind === "index" ? [streamOf(undefined, op.access, 1)] : []));
  return [...inMemory, ...counters];
}

function streamOf(pointer: number | undefined, { offset, strides }: Access, bytes: number): Stream {
  return { pointer, offset: offset * bytes, steps: strides.map((stride) => stride * bytes) };
}

/** The loop with a first axis of one element. */
function withUnitAxis(loop: Loop): Loop {
  const widened = <T extends { readonly access: Access }>(item: T): T => ({
    ...item,
    access: { ...item.access, strides: [1, ...item.access.strides] },
  });
  return {
    sizes: [1, ...loop.sizes],
    kept: 1,
    operands: loop.operands.map(widened),
    ops: loop.ops.map((op) => (op.kind === "index" ? widened(op) : op)),
    results: loop.results.map(widened),
  };
}

const product = (sizes: readonly number[]) => sizes.reduce((size, n) => size * n, 1);
