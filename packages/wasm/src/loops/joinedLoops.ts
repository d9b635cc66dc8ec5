/**
 * Loops that follow one another over the same rows, such as the largest, the sum and the quotient of a softmax, become one kernel
 * that does them all for a few rows before it goes on: the rows stay in the cache, and with the thread that made them.
 *
 * It works on the plan, where every buffer has its place, so that what may be done in another order is seen from addresses
 * alone: each row touches its own bytes, or bytes that no loop of the group writes. No bit depends on it.
 */
import { ModuleBuilder, i32 } from "@weft/emitter";
import type { Access, DType, Loop } from "@weft/tensor";
import { bytesPerElement } from "@weft/tensor";
import { defineRun } from "../defineRun.ts";
import type { KernelSource, LoopSource } from "../kernel.ts";
import type { PlanStep } from "../plan.ts";
import { defineLoop, loopKey } from "./loopKernel.ts";
import type { Nest } from "./nest.ts";
import { enoughTiles, planNest, tileWork, workOf } from "./nest.ts";

type KernelStep = Extract<PlanStep, { kind: "kernel" }>;

interface Member {
  readonly step: KernelStep;
  readonly source: LoopSource;
}

/** Fewer rows would leave threads without work. */
const fewestRows = 16;
/** Operations per tile of a group: enough that the change from loop to loop costs nothing, while the rows stay in the cache. */
const groupWork = 8 * tileWork;
/** Of loops in a group, and of pointers that its kernel takes. */
const [mostLoops, mostPointers] = [8, 48];

export function joinLoops(steps: readonly PlanStep[]): PlanStep[] {
  const joined: PlanStep[] = [];
  let open: Group | undefined;
  const close = () => {
    if (open) joined.push(...stepsOf(open));
    open = undefined;
  };
  for (const step of steps) {
    const source = step.kind === "kernel" && "loop" in step.source ? step.source.loop : undefined;
    if (step.kind !== "kernel" || !source) {
      close();
      joined.push(step);
      continue;
    }
    const member = { step, source };
    const wider = open && groupOf([...open.members, member]);
    if (!wider) close();
    open = wider ?? { members: [member], rows: 0 };
  }
  close();
  return joined;
}

interface Group {
  readonly members: readonly Member[];
  readonly rows: number;
}

/** The members as a group, if the last may join the others. */
function groupOf(members: readonly Member[]): Group | undefined {
  const pointers = members.reduce((sum, { step }) => sum + step.pointers.length, 0);
  if (members.length > mostLoops || pointers > mostPointers) return undefined;
  const rows = Math.min(...members.map(({ source: { loop } }) => (isFlat(loop) ? Infinity : loop.sizes[0]!)));
  if (!(rows >= fewestRows && rows < Infinity) || !members.every(({ source }) => fallsIntoRows(source.loop, rows))) {
    return undefined;
  }
  const touched = members.map((member) => touchesOf(member, rows));
  const isOrdered = touched.every((later, i) =>
    touched.slice(0, i).every((earlier) => later.every((ours) => earlier.every((theirs) => maySwap(ours, theirs)))),
  );
  const last = touched.at(-1)!;
  const isRelated = touched
    .slice(0, -1)
    .some((earlier) => last.some((ours) => earlier.some((t) => shareRows(ours, t))));
  return isOrdered && isRelated ? { members, rows } : undefined;
}

/** A map over one axis may be cut into rows at will. */
const isFlat = ({ sizes, kept }: Loop) => sizes.length === 1 && kept === 1;

function fallsIntoRows(loop: Loop, rows: number): boolean {
  if (loop.kept === 0 || loop.sizes[0]! % rows !== 0) return false;
  const { rowAxes, blockAxis } = planNest(inRows(loop, rows));
  return rowAxes[0] === 0 && blockAxis !== 0;
}

/** The loop with rows as its first axis, where it has but one. */
function inRows(loop: Loop, rows: number): Loop {
  if (!isFlat(loop)) return loop;
  const length = loop.sizes[0]! / rows;
  const cut = <T extends { readonly access: Access }>(item: T): T => {
    const [stride = 0] = item.access.strides;
    return { ...item, access: { ...item.access, strides: [stride * length, stride] } };
  };
  return {
    ...loop,
    sizes: [rows, length],
    kept: 2,
    operands: loop.operands.map(cut),
    ops: loop.ops.map((op) => (op.kind === "index" ? cut(op) : op)),
    results: loop.results.map(cut),
  };
}

/** The bytes of one operand or result: row r touches some of those from `start + r * stride` to `end + r * stride`. */
interface Touched {
  readonly start: number;
  readonly end: number;
  readonly stride: number;
  readonly rows: number;
  readonly writes: boolean;
}

function touchesOf({ step, source: { loop } }: Member, rows: number): Touched[] {
  const perRow = loop.sizes[0]! / rows;
  const touched = ({ dtype, access }: { dtype: DType; access: Access }, pointer: number): Touched => {
    const bytes = bytesPerElement[dtype];
    let [low, high] = [access.offset, access.offset];
    access.strides.forEach((stride, axis) => {
      const reach = stride * ((axis === 0 ? perRow : loop.sizes[axis]!) - 1);
      if (reach < 0) low += reach;
      else high += reach;
    });
    return {
      start: step.pointers[pointer]! + low * bytes,
      end: step.pointers[pointer]! + (high + 1) * bytes,
      stride: (access.strides[0] ?? 0) * perRow * bytes,
      rows,
      writes: pointer >= loop.operands.length,
    };
  };
  return [...loop.operands, ...loop.results].map(touched);
}

/** Whether it does not matter which of the two comes first, as long as that holds within each row. */
function maySwap(a: Touched, b: Touched): boolean {
  return (!a.writes && !b.writes) || !meet(a, b) || shareRows(a, b);
}

/** Whether any row of one may touch a byte of any row of the other. */
function meet(a: Touched, b: Touched): boolean {
  const [first, second] = [a, b].map(({ start, end, stride, rows }) => {
    const reach = stride * (rows - 1);
    return { from: start + Math.min(0, reach), to: end + Math.max(0, reach) };
  }) as [{ from: number; to: number }, { from: number; to: number }];
  return first.from < second.to && second.from < first.to;
}

/** Whether both touch the same bytes, and a row of one only those of the same row of the other. */
function shareRows(a: Touched, b: Touched): boolean {
  const window = Math.max(a.end, b.end) - Math.min(a.start, b.start);
  return meet(a, b) && a.stride === b.stride && window <= Math.abs(a.stride);
}

function stepsOf({ members, rows }: Group): PlanStep[] {
  const [first] = members;
  if (!first || members.length === 1) return members.map(({ step }) => step);
  const strides = members.flatMap(({ step }) => step.strides ?? step.pointers.map(() => 0));
  return [
    {
      kind: "kernel",
      source: joinedKernel(
        members.map(({ source }) => source),
        rows,
      ),
      scratch: 0,
      pointers: members.flatMap(({ step }) => step.pointers),
      strides: members.some(({ step }) => step.strides) ? strides : undefined,
    },
  ];
}

/** The loops one after the other, a few rows at a time. */
function joinedKernel(sources: readonly LoopSource[], rows: number): KernelSource {
  const work = sources.reduce((sum, { loop }) => sum + workOf(loop), 0);
  const most = work > 2 * tileWork ? Math.floor(rows / enoughTiles) : rows;
  const rowsPerTile = Math.max(1, Math.min(most, Math.floor((groupWork * rows) / work)));
  const loops = sources.map(({ loop, options }) => {
    return { nest: inTiles(planNest(inRows(loop, rows)), rows, rowsPerTile), options };
  });
  const keys = sources.map(({ loop }) => loopKey(loop));
  return {
    key: `loops ${rows} ${rowsPerTile} ${keys.join(" ")}`,
    tiles: Math.ceil(rows / rowsPerTile),
    scratchBytes: 0,
    build: () => {
      const module = new ModuleBuilder();
      const functions = loops.map(({ nest, options }) => defineLoop(module, nest, options));
      const pointers = functions.reduce((sum, { params }) => sum + params.length - 3, 0);
      return defineRun(module, pointers, (f, [from, to, scratch, ...params]) => {
        f.for({ from, to }, (tile) => {
          let first = 0;
          for (const loop of functions) {
            const own = params.slice(first, (first += loop.params.length - 3));
            f.call(loop, tile, i32.add(tile, 1), scratch, ...own);
          }
        });
      });
    },
  };
}

/** The nest with so many of the group's rows in each tile. */
function inTiles(nest: Nest, rows: number, rowsPerTile: number): Nest {
  return {
    ...nest,
    chunk: nest.loop.sizes[nest.vectorAxis]!,
    chunks: 1,
    rowsPerTile: rowsPerTile * (nest.rows / rows),
    tiles: Math.ceil(rows / rowsPerTile),
  };
}
