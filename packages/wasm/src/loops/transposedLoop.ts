/**
 * Loops in which an operand lies across: contiguous along another axis than the one that vectors follow. Blocks of four by four
 * elements are loaded along that axis and turned over in registers, several rows at a time so that whole cache lines are used.
 */
import type { V128 } from "@weft/emitter";
import { i32, v128 } from "@weft/emitter";
import { transpose4 } from "../kernels/packPanels.ts";
import type { Lanes, Pointers } from "./loopBody.ts";
import { blockRows, isCrossing } from "./nest.ts";
import type { LoopContext } from "./vectorLoop.ts";
import { writeMap } from "./vectorLoop.ts";

/** `pointers` are at the block's first row. */
export function writeBlocks(context: LoopContext): void {
  const { s, nest, row } = context;
  const size = nest.loop.sizes[nest.blockAxis!]!;
  const left = size % blockRows;
  if (left === 0) {
    writeFullBlock(context);
    return;
  }
  const count = Math.ceil(size / blockRows);
  const isLast = i32.eq(i32.remU(row, count), count - 1);
  s.f.if(
    isLast,
    () => writeSingleRows(context, left),
    () => {
      if (count > 1) writeFullBlock(context);
    },
  );
}

/** Rows that do not fill a block, one by one. */
function writeSingleRows(context: LoopContext, count: number): void {
  const { s, nest, pointers } = context;
  s.f.for({ from: 0, to: count }, () => {
    writeMap({ ...context, pointers: pointers.map((pointer) => s.f.i32(pointer)) });
    nest.streams.forEach(({ steps }, stream) => {
      const step = steps[nest.blockAxis!]!;
      if (step !== 0) s.f.increment(pointers[stream]!, step);
    });
  });
}

function writeFullBlock(context: LoopContext): void {
  const { s, nest, body, pointers } = context;
  const rows = Array.from({ length: blockRows }, (_, row): Pointers =>
    pointers.map((pointer, stream) => i32.add(pointer, row * nest.streams[stream]!.steps[nest.blockAxis!]!)),
  );
  const invariants: (Lanes | undefined)[][] = rows.map((at) => body.invariants(at));
  const length = nest.loop.sizes[nest.vectorAxis]!;
  s.f.for({ from: 0, to: Math.floor(length / 4) }, () => {
    for (let first = 0; first < blockRows; first += 4) {
      const turned = turnedOver(context, first);
      for (let i = 0; i < 4; i++) {
        const [at, row] = [{ position: 0, lanes: 4 }, rows[first + i]!];
        const loaded = new Map([...turned].map(([operand, vectors]) => [operand, vectors[i]!]));
        body.storeElements(row, at, body.vector(row, at, invariants[first + i]!, loaded));
      }
    }
    nest.streams.forEach(({ steps }, stream) => {
      const step = steps[nest.vectorAxis]!;
      if (step !== 0) s.f.increment(pointers[stream]!, 4 * step);
    });
  });
  if (length % 4 === 0) return;
  const at = { position: 0, lanes: length % 4 };
  rows.forEach((row, i) => body.storeElements(row, at, body.vector(row, at, invariants[i]!)));
}

/** Four rows of every operand that lies across, as vectors along the vector axis. */
function turnedOver({ s, nest, pointers }: LoopContext, first: number): Map<number, V128[]> {
  const turned = new Map<number, V128[]>();
  nest.loop.operands.forEach((operand, i) => {
    if (!isCrossing(nest, operand)) return;
    const step = nest.streams[i]!.steps[nest.vectorAxis]!;
    const columns = [0, 1, 2, 3].map((column) => v128.load(i32.add(pointers[i]!, column * step), first * 4));
    turned.set(
      i,
      transpose4(s.f, columns).map((vector) => s.keep(vector)),
    );
  });
  return turned;
}
