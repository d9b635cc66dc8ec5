/** Finishes a loop: resolves accesses over its final axes, merges axes that every access walks as one, drops what is unused. */
import type { Affine, IndexSpace } from "./affine.ts";
import type { Definitions } from "./definitions.ts";
import type { BuiltLoop, LoopRequest, LoopRoot, OpenOp } from "./loopRequest.ts";
import type { Access, LoopOp, LoopOperand, LoopResult } from "./step.ts";

interface OpenLoop {
  readonly ops: readonly OpenOp[];
  readonly results: readonly { readonly root: LoopRoot; readonly op: number }[];
  readonly definitions: Definitions;
}

export function collapseLoop(request: LoopRequest, space: IndexSpace, open: OpenLoop): BuiltLoop {
  const isReduced = (axis: number) => request.reducedAxes.includes(axis);
  const all = request.shape.map((_, axis) => axis);
  const leavesOf = (axes: number[]) => axes.flatMap((axis) => space.leaves(axis)).filter((a) => space.sizes[a] !== 1);
  const keptLeaves = leavesOf(all.filter((axis) => !isReduced(axis)));
  const axes = [...keptLeaves, ...leavesOf(all.filter(isReduced))];
  const positions: number[] = [];
  axes.forEach((axis, position) => (positions[axis] = position));
  const strided = (form: Affine): Access => {
    const strides = axes.map(() => 0);
    for (const [axis, coefficient] of space.resolve(form).terms) strides[positions[axis]!] = coefficient;
    return { offset: form.offset, strides };
  };

  const ops: LoopOp[] = [];
  const operands: LoopOperand[] = [];
  const reads: number[] = [];
  const renamed: number[] = [];
  const seen = new Map<string, number>();
  for (const op of open.ops) {
    const access = "form" in op ? strided(op.form) : nowhere;
    const args = "args" in op ? op.args.map((arg) => renamed[arg]!) : [];
    const key = keyOf(op, access, args);
    let position = seen.get(key);
    if (position === undefined) {
      position = ops.length;
      seen.set(key, position);
      if (op.kind === "load") {
        ops.push({ kind: "load", dtype: op.dtype, operand: operands.length });
        operands.push({ dtype: op.dtype, access });
        reads.push(op.buffer);
      } else if (op.kind === "index") {
        ops.push({ kind: "index", dtype: op.dtype, access });
      } else {
        ops.push("args" in op ? { ...op, args } : op);
      }
    }
    renamed.push(position);
  }
  const results = open.results.map(({ root, op }): LoopResult => {
    const shape = request.shape.map((size, axis) => (root.reduce !== undefined && isReduced(axis) ? 1 : size));
    return {
      op: renamed[op]!,
      dtype: open.definitions.types[root.value]!.dtype,
      reduce: root.reduce,
      access: strided(root.access ? fromAccess(root.access) : reducedLinear(space, shape)),
    };
  });
  const loop = { sizes: axes.map((axis) => space.sizes[axis]!), kept: keptLeaves.length, operands, ops, results };
  return { loop: mergeAxes(loop), reads, writes: open.results.map(({ root }) => root.value) };
}

const nowhere: Access = { offset: 0, strides: [] };

/** Equal for operations that give the same at every index. */
function keyOf(op: OpenOp, { offset, strides }: Access, args: readonly number[]): string {
  switch (op.kind) {
    case "load":
      return `load ${op.dtype} ${op.buffer} ${offset} ${strides.join()}`;
    case "index":
      return `index ${op.dtype} ${offset} ${strides.join()}`;
    case "constant":
      return `${op.dtype} ${Object.is(op.value, -0) ? "-0" : op.value}`;
    case "apply":
      return `${op.primitive} ${op.dtype} ${args.join()}`;
    case "compare":
      return `${op.op} ${args.join()}`;
    default:
      return op satisfies never;
  }
}

/** Row-major over the axes of more than one element; reduced axes count as one element. */
function reducedLinear(space: IndexSpace, shape: readonly number[]): Affine {
  const map = space.identity().map((form, axis) => (shape[axis] === 1 ? { offset: 0, terms: [] } : form));
  return space.linear(map, shape);
}

function fromAccess({ offset, strides }: Access): Affine {
  return { offset, terms: strides.map((stride, axis) => [axis, stride]) };
}

/** Joins neighbouring axes (of one kind) wherever every access steps over them as over one longer axis. */
function mergeAxes(loop: BuiltLoop["loop"]): BuiltLoop["loop"] {
  const accesses = [
    ...loop.operands.map(({ access }) => access),
    ...loop.results.map(({ access }) => access),
    ...loop.ops.flatMap((op) => (op.kind === "index" ? [op.access] : [])),
  ];
  const groups: number[][] = [];
  loop.sizes.forEach((size, axis) => {
    const previous = axis - 1;
    const joins =
      axis > 0 &&
      axis !== loop.kept &&
      accesses.every(({ strides }) => strides[previous] === (strides[axis] ?? 0) * size);
    if (joins) groups.at(-1)?.push(axis);
    else groups.push([axis]);
  });
  const last = groups.map((group) => group.at(-1)!);
  const merged = (access: Access): Access => ({ ...access, strides: last.map((axis) => access.strides[axis]!) });
  return {
    sizes: groups.map((group) => group.reduce((size, axis) => size * loop.sizes[axis]!, 1)),
    kept: groups.filter((group) => group[0]! < loop.kept).length,
    operands: loop.operands.map((operand) => ({ ...operand, access: merged(operand.access) })),
    ops: loop.ops.map((op) => (op.kind === "index" ? { ...op, access: merged(op.access) } : op)),
    results: loop.results.map((result) => ({ ...result, access: merged(result.access) })),
  };
}
