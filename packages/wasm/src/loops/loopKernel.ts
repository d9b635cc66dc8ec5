/**
 * Turns a fused loop into a WebAssembly kernel. Every element goes through the same vector instructions wherever it lies,
 * so results depend neither on position nor on how tiles are divided; sums add in an order fixed by the shapes alone.
 */
import type { Expression, FunctionBuilder, FunctionHandle, FunctionOptions, Local } from "@weft/emitter";
import { i32, minimum, ModuleBuilder } from "@weft/emitter";
import type { Loop } from "@weft/tensor";
import type { KernelSource, LoopOptions } from "../kernel.ts";
import type { MovingPointers } from "./loopBody.ts";
import { LoopBody } from "./loopBody.ts";
import type { Nest } from "./nest.ts";
import { blockRows, planNest } from "./nest.ts";
import { writeBlocks } from "./transposedLoop.ts";
import { writeMap } from "./vectorLoop.ts";
import { writeColumns, writeRows } from "./reduction.ts";
import { VectorScope } from "./vectorScope.ts";

export function loopKernel(loop: Loop, options: LoopOptions): KernelSource {
  const nest = planNest(loop);
  return {
    key: `loop ${loopKey(loop)}`,
    tiles: nest.tiles,
    scratchBytes: 0,
    build: () => {
      const module = new ModuleBuilder();
      defineLoop(module, nest, { ...options, export: "run" });
      return module;
    },
    loop: { loop, options },
  };
}

/** Text that is equal for equal loops. */
export function loopKey(loop: Loop): string {
  // JSON tells all numbers apart but these.
  const constants = loop.ops.map((op) =>
    op.kind === "constant" ? (Object.is(op.value, -0) ? "-0" : String(op.value)) : "",
  );
  return JSON.stringify(loop) + constants.join();
}

/** The function `(from, to, scratch, ...pointers)` that computes tiles from..to-1 of the nest. */
export function defineLoop(
  module: ModuleBuilder,
  nest: Nest,
  { relaxed, ...options }: LoopOptions & FunctionOptions,
): FunctionHandle {
  const pointers = nest.streams.flatMap(({ pointer }) => (pointer === undefined ? [] : (["i32"] as const)));
  return module.function(
    ["i32", "i32", "i32", ...pointers],
    (f, [from, to, , ...params]) => {
      const s = new VectorScope(f, { relaxed });
      f.for({ from, to }, (tile) => {
        writeTile({ s, nest, body: new LoopBody(s, nest), params, tile });
      });
    },
    options,
  );
}

const rowWriters = { map: writeMap, blocks: writeBlocks, columns: writeColumns, rows: writeRows } as const;

interface TileContext {
  readonly s: VectorScope;
  readonly nest: Nest;
  readonly body: LoopBody;
  readonly params: readonly Expression<"i32">[];
  readonly tile: Local<"i32">;
}

function writeTile({ s, nest, body, params, tile }: TileContext): void {
  const { f } = s;
  const { chunks, chunk, rows, rowsPerTile } = nest;
  if (chunks > 1) {
    const row = f.i32(i32.divU(tile, chunks));
    const start = f.i32(i32.mul(i32.remU(tile, chunks), chunk));
    const length = nest.loop.sizes[nest.vectorAxis]!;
    const stop = i32.add(start, chunk);
    const end = f.i32(minimum(stop, length));
    rowWriters[nest.kind]({
      s,
      nest,
      body,
      row,
      pointers: pointersAt(f, nest, { params, row, start }),
      span: { start, end },
    });
    return;
  }
  const first = f.i32(i32.mul(tile, rowsPerTile));
  const stop = i32.add(first, rowsPerTile);
  const end = f.i32(minimum(stop, rows));
  f.for({ from: first, to: end }, (row) => {
    rowWriters[nest.kind]({
      s,
      nest,
      body,
      row,
      pointers: pointersAt(f, nest, { params, row, start: i32.const(0) }),
      span: undefined,
    });
  });
}

interface RowPosition {
  readonly params: readonly Expression<"i32">[];
  readonly row: Local<"i32">;
  /** Along the vector axis. */
  readonly start: Expression<"i32">;
}

/** The address of every stream at a row and a place along the vector axis. */
function pointersAt(f: FunctionBuilder, nest: Nest, { params, row, start }: RowPosition): MovingPointers {
  const indices = new Map<number, Expression<"i32">>();
  let rest: Expression<"i32"> = row;
  nest.rowAxes.toReversed().forEach((axis, i) => {
    const count = nest.rowCounts[nest.rowAxes.length - 1 - i]!;
    const outermost = i === nest.rowAxes.length - 1;
    const turn = outermost ? rest : f.i32(i32.remU(rest, count));
    indices.set(axis, axis === nest.blockAxis ? f.i32(i32.mul(turn, blockRows)) : turn);
    if (!outermost) rest = f.i32(i32.divU(rest, count));
  });
  if (nest.kind !== "rows") indices.set(nest.vectorAxis, start);
  return nest.streams.map(({ pointer, offset, steps }) => {
    let address = i32.add(pointer === undefined ? 0 : params[pointer]!, offset);
    for (const [axis, index] of indices) {
      const step = steps[axis]!;
      if (step !== 0) address = i32.add(address, i32.mul(index, step));
    }
    return f.i32(address);
  });
}
