/** Chooses how a fused loop runs: along which axis its vectors lie, how far it is unrolled, and how it divides into tiles. */
import type { Access, Loop } from "@weft/tensor";
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
  /** `map`: no reduction. `columns`: vectors along the last kept axis. `rows`: vectors along the last reduced axis. */
  readonly kind: "map" | "columns" | "rows";
  readonly vectorAxis: number;
  /** Vectors per turn of the innermost loop. */
  readonly unroll: number;
  /** Kept axes that are walked one index at a time. */
  readonly rowAxes: readonly number[];
  readonly rows: number;
  readonly rowsPerTile: number;
  /** Elements of the vector axis in one tile, when one row is several tiles; else all of them. */
  readonly chunk: number;
  readonly chunks: number;
  readonly tiles: number;
  /** Streams of operands, then of results, then of `index` operations in order. */
  readonly streams: readonly Stream[];
}

/** Operations per tile that are worth handing to a thread. */
const tileWork = 1 << 16;

export function planNest(given: Loop): Nest {
  const loop = given.kept === 0 ? withUnitAxis(given) : given;
  const { sizes, kept } = loop;
  const reducedSize = product(sizes.slice(kept));
  const kind = kept === sizes.length ? "map" : vectorsLieAlongKept(loop) ? "columns" : "rows";
  const vectorAxis = kind === "rows" ? sizes.length - 1 : kept - 1;
  const length = sizes[vectorAxis]!;
  const rowAxes = sizes.flatMap((_, axis) => (axis < kept && axis !== vectorAxis ? [axis] : []));
  const rows = product(rowAxes.map((axis) => sizes[axis]!));
  const cost = loop.ops.reduce((sum, op) => sum + operationCost(op), 0);
  const unroll = Math.max(1, Math.min(Math.ceil(length / 4), unrollOf(kind, loop, cost)));

  const perElement = cost * (kind === "columns" ? reducedSize : 1);
  const perRow = kind === "rows" ? reducedSize * cost : length * perElement;
  const block = 4 * unroll;
  const wanted = Math.max(1, Math.floor(tileWork / perElement / block)) * block;
  const chunk = kind !== "rows" && perRow > 2 * tileWork ? Math.min(length, wanted) : length;
  const chunks = Math.ceil(length / chunk);
  const rowsPerTile = chunks > 1 ? 1 : Math.max(1, Math.floor(tileWork / perRow));
  const tiles = chunks > 1 ? rows * chunks : Math.ceil(rows / rowsPerTile);
  return {
    loop,
    kind,
    vectorAxis,
    unroll,
    rowAxes,
    rows,
    rowsPerTile,
    chunk,
    chunks: kind === "rows" ? 1 : chunks,
    tiles,
    streams: streamsOf(loop),
  };
}

function unrollOf(kind: Nest["kind"], loop: Loop, cost: number): number {
  if (kind === "map") return cost <= 10 ? 4 : cost <= 24 ? 2 : 1;
  const reductions = loop.results.filter(({ reduce }) => reduce).length;
  const limit = cost <= 10 ? 8 : cost <= 20 ? 4 : 2;
  return Math.max(1, Math.floor(limit / reductions));
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
