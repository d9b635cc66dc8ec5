/** The loops over windows, over the lanes of a window, and over its cells. */
import type { Expression, FunctionBuilder, Local, V128 } from "@weft/emitter";
import { i32, i32x4, select } from "@weft/emitter";
import { product } from "./convGeometry.ts";
import type { WindowGeometry } from "./windowGeometry.ts";

/** One cell of a window: `base` + `offset` bytes into the image, at the lanes in hand. */
export interface Cell {
  readonly base: Local<"i32">;
  readonly offset: number;
  /** A number that no other cell of the window has, in every lane. */
  readonly identity: V128;
}

/** Up to four lanes of one window. */
export interface WindowLanes {
  /** Byte offset into the array of windows. */
  readonly window: Local<"i32">;
  /** Lanes that count; the others must not be stored. */
  readonly lanes: number;
  readonly first: Cell;
  /** Visits the cells that lie in the image, in row-major order. */
  readonly each: (visit: (cell: Cell) => void) => void;
}

export interface WindowBody {
  readonly lanes: (lanes: WindowLanes) => void;
  /** What to do with the lanes of a window that lies wholly in the padding. */
  readonly empty: (lanes: Pick<WindowLanes, "window" | "lanes">) => void;
}

/** Windows of more cells than this are walked in loops, not unrolled. */
const unrollLimit = 16;

/** Where one image's walk begins: byte offsets of the image and its windows, and the rows (outermost axis) to visit. */
export interface WalkStart {
  readonly image: Local<"i32">;
  readonly windows: Local<"i32">;
  readonly fromRow: Expression<"i32">;
  readonly toRow: Expression<"i32">;
}

/** Visits the windows of the rows given, all lanes of each. */
export function walkWindows(f: FunctionBuilder, geometry: WindowGeometry, start: WalkStart, body: WindowBody): void {
  const { axes } = geometry;
  const positions = axes.map(() => f.local("i32"));
  const window = f.local("i32");
  const place = geometry.inside && product(axes.map((axis) => axis.window)) <= unrollLimit ? placeInside : placeClipped;
  const walk = (index: number, windowRow: Local<"i32">): void => {
    const axis = axes[index];
    if (!axis) {
      f.set(window, windowRow);
      place(f, geometry, { positions, image: start.image, window, body });
      return;
    }
    const [from, to] = index === 0 ? [start.fromRow, start.toRow] : [0, axis.result];
    const at = f.local("i32");
    f.for(
      { from, to },
      (position) => {
        f.set(at, i32.add(windowRow, i32.mul(position, axis.resultBytes)));
        walk(index + 1, at);
      },
      positions[index],
    );
  };
  walk(0, start.windows);
}

interface Place {
  readonly positions: readonly Local<"i32">[];
  readonly image: Local<"i32">;
  readonly window: Local<"i32">;
  readonly body: WindowBody;
}

/** Windows inside the image: every cell at a constant distance from the first. */
function placeInside(f: FunctionBuilder, { axes, lanes }: WindowGeometry, { positions, image, window, body }: Place) {
  const corner = f.local("i32", image);
  axes.forEach((axis, i) => f.increment(corner, i32.mul(positions[i]!, axis.stride * axis.sourceBytes)));
  const offsets = axes.reduce<number[]>(
    (starts, axis) =>
      starts.flatMap((start) => Array.from({ length: axis.window }, (_, i) => start + i * axis.sourceBytes)),
    [0],
  );
  const cellAt = (offset: number): Cell => ({ base: corner, offset, identity: i32x4.splat(offset) });
  forLanes(f, lanes, { advance: [corner, window] }, (count) => {
    body.lanes({
      window,
      lanes: count,
      first: cellAt(0),
      each: (visit) => offsets.forEach((offset) => visit(cellAt(offset))),
    });
  });
}

/** Any window: loops over the part of it that lies in the image. */
function placeClipped(f: FunctionBuilder, { axes, lanes }: WindowGeometry, { positions, image, window, body }: Place) {
  const nothing = f.i32(0);
  const lane = f.i32(0);
  const bounds = axes.map((axis, i) => {
    const start = f.local("i32", i32.sub(i32.mul(positions[i]!, axis.stride), axis.low));
    const from = f.local("i32", select(i32.gtS(start, 0), start, i32.const(0)));
    const end = f.local("i32", i32.add(start, axis.window));
    f.set(end, select(i32.ltS(end, axis.source), end, i32.const(axis.source)));
    f.set(nothing, i32.or(nothing, i32.geS(from, end)));
    return { from, end };
  });
  const firstAt = f.local("i32");
  const cellAt = f.local("i32");
  const cell = (base: Local<"i32">): Cell => ({ base, offset: 0, identity: i32x4.splat(base) });
  const each = (visit: (cell: Cell) => void) => {
    const loop = (index: number, base: Local<"i32">): void => {
      const axis = axes[index];
      if (!axis) {
        visit(cell(base));
        return;
      }
      const at = index === axes.length - 1 ? cellAt : f.local("i32");
      f.for({ from: bounds[index]!.from, to: bounds[index]!.end }, (position) => {
        f.set(at, i32.add(base, i32.mul(position, axis.sourceBytes)));
        loop(index + 1, at);
      });
    };
    loop(0, lane);
  };
  f.set(lane, image);
  f.if(
    nothing,
    () => forLanes(f, lanes, { advance: [window] }, (count) => body.empty({ window, lanes: count })),
    () =>
      forLanes(f, lanes, { advance: [lane, window] }, (count) => {
        f.set(firstAt, lane);
        axes.forEach((axis, i) => f.increment(firstAt, i32.mul(bounds[i]!.from, axis.sourceBytes)));
        body.lanes({ window, lanes: count, first: cell(firstAt), each });
      }),
  );
}

/** Runs `body` for each four lanes, advancing the offsets, then once for those left over. */
function forLanes(
  f: FunctionBuilder,
  lanes: number,
  { advance }: { readonly advance: readonly Local<"i32">[] },
  body: (count: number) => void,
): void {
  if (lanes >= 4) {
    f.for({ from: 0, to: Math.floor(lanes / 4) }, () => {
      body(4);
      for (const offset of advance) f.increment(offset, 16);
    });
  }
  if (lanes % 4 > 0) body(lanes % 4);
}
