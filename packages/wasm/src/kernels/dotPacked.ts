/**
 * Matrix products of any layout and size: blocks of both sides are packed into panels (`packPanels.ts`) that stay in cache
 * while a register tile (`registerTile.ts`) walks over them. Every result is summed over k in increasing order.
 */
import type { FunctionBuilder, FunctionHandle, I32, Local } from "@weft/emitter";
import { f32, i32, minimum, ModuleBuilder } from "@weft/emitter";
import { defineRun } from "../defineRun.ts";
import type { KernelSource } from "../kernel.ts";
import { offsetOf } from "./axes.ts";
import type { Contraction } from "./contraction.ts";
import { contractionKey } from "./contraction.ts";
import { definePack } from "./packPanels.ts";
import type { TileShape } from "./registerTile.ts";
import { defineTile } from "./registerTile.ts";

/** Sizes of the blocks that are packed at once. */
interface Blocking {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly tile: TileShape;
}

export function packedDot(contraction: Contraction, options: { readonly relaxed: boolean }): KernelSource {
  const blocking = chooseBlocking(contraction, options.relaxed);
  const { batch, m, n } = contraction;
  return {
    key: `dotPacked:${contractionKey(contraction)}`,
    build: () => buildPacked(contraction, blocking),
    tiles: batch * Math.ceil(n / blocking.n) * Math.ceil(m / blocking.m),
    scratchBytes: scratchLayout(blocking).total,
  };
}

const roundUp = (x: number, step: number) => Math.ceil(x / step) * step;

/** Columns are divided until there are about this many tiles, so that threads find work; packing the left side again costs little. */
const enoughTiles = 8;
const fewestColumns = 32;

function chooseBlocking({ batch, m, n, k }: Contraction, relaxed: boolean): Blocking {
  // 6 × 8 and 4 × 12 spill registers and halve the speed.
  const tile: TileShape = { rows: 4, vectors: 2, relaxed };
  const rows = Math.min(roundUp(m, tile.rows), 64);
  const columnBlocks = Math.ceil(enoughTiles / (batch * Math.ceil(m / rows)));
  const columns = Math.max(fewestColumns, Math.ceil(n / columnBlocks));
  return { tile, m: rows, n: Math.min(roundUp(Math.min(n, columns), 4 * tile.vectors), 512), k: Math.min(k, 256) };
}

/** Byte offsets into the scratch space; panels have room for the overrun of `pack`. */
function scratchLayout({ m, n, k, tile }: Blocking) {
  const left = 0;
  const right = left + 4 * (m * k + 4 * tile.rows);
  const edge = right + 4 * (n * k + 16 * tile.vectors);
  return { left, right, edge, total: edge + 16 * tile.rows * tile.vectors };
}

function buildPacked(contraction: Contraction, blocking: Blocking): ModuleBuilder {
  const { lhs, rhs, m, n, k } = contraction;
  const scratchAt = scratchLayout(blocking);
  const { rows, vectors } = blocking.tile;
  const module = new ModuleBuilder();
  const packLeft = definePack(module, lhs, rows);
  const packRight = definePack(module, rhs, 4 * vectors);
  const multiply = defineBlock(module, blocking, n);
  const mBlocks = Math.ceil(m / blocking.m);
  const nBlocks = Math.ceil(n / blocking.n);

  return defineRun(module, 3, (f, [from, to, scratch, a, b, c]) => {
    const leftPanels = f.i32(i32.add(scratch, scratchAt.left));
    const rightPanels = f.i32(i32.add(scratch, scratchAt.right));
    const edge = f.i32(i32.add(scratch, scratchAt.edge));
    const [group, batch, first, last] = f.zeros(4);
    const [column, columns, kCount] = f.zeros(3);
    const [left, right, result] = f.zeros(3);
    const tile = f.local("i32");
    // Tiles of one batch and one block of columns share the packed right side.
    f.for(
      { from, to, step: i32.sub(last, first) },
      () => {
        f.set(group, i32.divU(tile, mBlocks));
        f.set(first, i32.remU(tile, mBlocks));
        f.set(last, minimum(mBlocks, i32.add(first, i32.sub(to, tile))));
        f.set(batch, i32.divU(group, nBlocks));
        f.set(column, i32.mul(i32.remU(group, nBlocks), blocking.n));
        f.set(columns, minimum(blocking.n, i32.sub(n, column)));
        f.set(left, i32.add(a, offsetOf(lhs.batch, batch)));
        f.set(right, i32.add(b, offsetOf(rhs.batch, batch)));
        f.set(result, i32.add(c, i32.add(i32.mul(batch, 4 * m * n), i32.mul(column, 4))));
        f.for({ from: 0, to: k, step: blocking.k }, (k0) => {
          f.set(kCount, minimum(blocking.k, i32.sub(k, k0)));
          f.call(packRight, rightPanels, right, column, columns, k0, kCount);
          f.for({ from: first, to: last }, (block) => {
            const row = i32.mul(block, blocking.m);
            const rowCount = f.local("i32", minimum(blocking.m, i32.sub(m, row)));
            f.call(packLeft, leftPanels, left, row, rowCount, k0, kCount);
            const target = i32.add(result, i32.mul(row, 4 * n));
            f.call(multiply, leftPanels, rightPanels, edge, target, rowCount, columns, kCount, k0);
          });
        });
      },
      tile,
    );
  });
}

/** Defines multiply(left, right, edge, c, rows, columns, k, accumulate) over packed panels. */
function defineBlock(module: ModuleBuilder, { tile }: Blocking, n: number): FunctionHandle {
  const register = defineTile(module, tile);
  const [height, width] = [tile.rows, 4 * tile.vectors];
  return module.function(
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    (f, [left, right, edge, c, rows, columns, k, accumulate]) => {
      const [leftBytes, rightBytes] = [f.i32(i32.mul(k, 4 * height)), f.i32(i32.mul(k, 4 * width))];
      const [panel, target] = f.zeros(2);
      f.for({ from: 0, to: columns, step: width }, (j) => {
        f.set(panel, left);
        f.for({ from: 0, to: rows, step: height }, (i) => {
          f.set(target, i32.add(c, i32.add(i32.mul(i, 4 * n), i32.mul(j, 4))));
          const whole = i32.and(i32.leS(i32.add(i, height), rows), i32.leS(i32.add(j, width), columns));
          f.if(
            whole,
            () => f.call(register, panel, right, target, i32.const(4 * n), k, accumulate),
            () => {
              const size = { rows: i32.sub(rows, i), columns: i32.sub(columns, j), height, width, n };
              f.if(accumulate, () => copyEdge(f, size, { edge, target, out: false }));
              f.call(register, panel, right, edge, i32.const(4 * width), k, accumulate);
              copyEdge(f, size, { edge, target, out: true });
            },
          );
          f.increment(panel, leftBytes);
        });
        f.increment(right, rightBytes);
      });
    },
  );
}

interface EdgeSize {
  readonly rows: I32;
  readonly columns: I32;
  readonly height: number;
  readonly width: number;
  readonly n: number;
}

/** Copies the part of a tile that lies inside the result between `edge`, a whole tile, and the result. */
function copyEdge(
  f: FunctionBuilder,
  { rows, columns, height, width, n }: EdgeSize,
  { edge, target, out }: { edge: Local<"i32">; target: Local<"i32">; out: boolean },
): void {
  const rowEnd = f.local("i32", minimum(height, rows));
  const columnEnd = f.local("i32", minimum(width, columns));
  f.for({ from: 0, to: rowEnd }, (row) => {
    f.for({ from: 0, to: columnEnd }, (column) => {
      const inTile = i32.add(edge, i32.add(i32.mul(row, 4 * width), i32.mul(column, 4)));
      const inResult = i32.add(target, i32.add(i32.mul(row, 4 * n), i32.mul(column, 4)));
      f.storeF32(out ? inResult : inTile, f32.load(out ? inTile : inResult));
    });
  });
}
