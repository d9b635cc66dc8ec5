/** Windowed maximum and sum, and the two kernels that follow a maximum: scatter (its gradient) and gather. */
import type { FunctionBuilder, Local, V128 } from "@weft/emitter";
import { f32x4, i32, i32x4, ModuleBuilder, v128 } from "@weft/emitter";
import type { DType, TensorType, WindowParams } from "@weft/tensor";
import { defineRun } from "../defineRun.ts";
import type { KernelFactory, KernelSource } from "../kernel.ts";
import { product } from "./convGeometry.ts";
import { storeFirst } from "./convRow.ts";
import type { WindowGeometry } from "./windowGeometry.ts";
import { windowGeometry, windowKey } from "./windowGeometry.ts";
import type { Cell, WindowBody, WindowLanes } from "./windowWalk.ts";
import { walkWindows } from "./windowWalk.ts";

type Windowed = "windowMax" | "windowSum" | "windowGather" | "windowScatter";

export const windowKernels: { readonly [P in Windowed]: KernelFactory<P> } = {
  windowMax: kernelOf("windowMax", ({ f, ops, pointers: [x, y] }) => {
    const best = f.local("v128");
    return {
      lanes: (window) => {
        walkMaximum(f, { ops, x: x!, best, window });
        store(f, y!, window, best);
      },
      empty: (window) => store(f, y!, window, ops.lowest),
    };
  }),
  windowSum: kernelOf("windowSum", ({ f, ops, pointers: [x, y] }) => {
    const total = f.local("v128");
    return {
      lanes: (window) => {
        f.set(total, i32x4.splat(0));
        window.each((cell) => f.set(total, ops.add(total, load(x!, cell))));
        store(f, y!, window, total);
      },
      empty: (window) => store(f, y!, window, i32x4.splat(0)),
    };
  }),
  windowGather: kernelOf("windowGather", ({ f, ops, pointers: [x, t, y] }) => {
    const [best, value] = [f.local("v128"), f.local("v128")];
    return {
      lanes: (window) => {
        f.set(value, load(t!, window.first));
        walkMaximum(f, { ops, x: x!, best, window }, (cell, wins) =>
          f.set(value, v128.bitselect(load(t!, cell), value, wins)),
        );
        store(f, y!, window, value);
      },
      empty: (window) => store(f, y!, window, i32x4.splat(0)),
    };
  }),
  windowScatter: kernelOf("windowScatter", ({ f, ops, geometry, pointers: [x, dy, dx] }) => {
    const [best, winner, cotangent] = [f.local("v128"), f.local("v128"), f.local("v128")];
    return {
      lanes: (window) => {
        f.set(winner, window.first.identity);
        walkMaximum(f, { ops, x: x!, best, window }, (cell, wins) =>
          f.set(winner, v128.bitselect(cell.identity, winner, wins)),
        );
        f.set(cotangent, v128.load(i32.add(dy!, window.window)));
        window.each((cell) => {
          const share = v128.and(cotangent, i32x4.eq(winner, cell.identity));
          const value = geometry.disjoint ? share : ops.add(load(dx!, cell), share);
          storeFirst(f, { address: i32.add(dx!, cell.base), offset: cell.offset, value, count: window.lanes });
        });
      },
      empty: () => undefined,
    };
  }),
};

/** What the walk needs of a dtype; all are four bytes wide. */
interface LaneOps {
  readonly add: (x: V128, y: V128) => V128;
  /** Lanes in which the new value replaces the best so far: strictly greater, or the first NaN. */
  readonly replaces: (value: V128, best: V128) => V128;
  readonly lowest: V128;
}

const laneOps: Readonly<Partial<Record<DType, LaneOps>>> = {
  f32: {
    add: f32x4.add,
    replaces: (value, best) => v128.andNot(f32x4.eq(best, best), f32x4.le(value, best)),
    lowest: f32x4.splat(-Infinity),
  },
  i32: { add: i32x4.add, replaces: i32x4.gtS, lowest: i32x4.splat(-(2 ** 31)) },
  u32: { add: i32x4.add, replaces: i32x4.gtU, lowest: i32x4.splat(0) },
};

interface BodyContext {
  readonly f: FunctionBuilder;
  readonly ops: LaneOps;
  readonly geometry: WindowGeometry;
  /** Operands, then the result. */
  readonly pointers: readonly Local<"i32">[];
}

/** A tile is one row of windows along the outermost windowed axis; for the scatter, whose rows may overlap, one image. */
function kernelOf(name: Windowed, bodyOf: (context: BodyContext) => WindowBody) {
  return (inputs: readonly TensorType[], params: WindowParams): KernelSource => {
    const { shape, dtype } = inputs[0]!;
    const geometry = windowGeometry(shape, params);
    const ops = laneOps[dtype];
    if (!ops) throw new Error(`${name} of ${dtype}`);
    const rows = name === "windowScatter" ? 1 : geometry.axes[0]!.result;
    const written = name === "windowScatter" ? product(shape) : geometry.batch * geometry.windowsBytes;
    return {
      key: `${name}:${dtype}:${windowKey(geometry)}`,
      build: () => build(name, geometry, { ops, bodyOf }),
      tiles: written === 0 ? 0 : geometry.batch * rows,
      scratchBytes: 0,
    };
  };
}

function build(
  name: Windowed,
  geometry: WindowGeometry,
  { ops, bodyOf }: { readonly ops: LaneOps; readonly bodyOf: (context: BodyContext) => WindowBody },
): ModuleBuilder {
  const scatters = name === "windowScatter";
  const rows = scatters ? 1 : geometry.axes[0]!.result;
  const operands = scatters || name === "windowGather" ? 2 : 1;
  return defineRun(new ModuleBuilder(), operands + 1, (f, [from, to, , ...pointers]) => {
    const body = bodyOf({ f, ops, geometry, pointers });
    const [number, row, image, windows] = f.zeros(4);
    f.for({ from, to }, (tile) => {
      f.set(number, i32.divU(tile, rows));
      f.set(row, i32.remU(tile, rows));
      f.set(image, i32.mul(number, geometry.imageBytes));
      f.set(windows, i32.mul(number, geometry.windowsBytes));
      if (scatters && !(geometry.disjoint && geometry.covering)) {
        f.memoryFill(i32.add(pointers.at(-1)!, image), 0, geometry.imageBytes);
      }
      const [fromRow, toRow] = scatters ? [0, geometry.axes[0]!.result] : [row, i32.add(row, 1)];
      walkWindows(f, geometry, { image, windows, fromRow: i32.of(fromRow), toRow: i32.of(toRow) }, body);
    });
  });
}

const load = (pointer: Local<"i32">, { base, offset }: Cell): V128 => v128.load(i32.add(pointer, base), offset);

function store(f: FunctionBuilder, y: Local<"i32">, window: Pick<WindowLanes, "window" | "lanes">, value: V128): void {
  storeFirst(f, { address: i32.add(y, window.window), offset: 0, value, count: window.lanes });
}

interface MaximumWalk {
  readonly ops: LaneOps;
  readonly x: Local<"i32">;
  /** Set to the maximum. */
  readonly best: Local<"v128">;
  readonly window: WindowLanes;
}

/** Finds the first maximum; `replaced` learns in which lanes a cell takes the lead. */
function walkMaximum(
  f: FunctionBuilder,
  { ops, x, best, window }: MaximumWalk,
  replaced?: (cell: Cell, wins: V128) => void,
): void {
  f.set(best, load(x, window.first));
  const [value, wins] = [f.local("v128"), f.local("v128")];
  window.each((cell) => {
    f.set(value, load(x, cell));
    f.set(wins, ops.replaces(value, best));
    f.set(best, v128.bitselect(value, best, wins));
    replaced?.(cell, wins);
  });
}
