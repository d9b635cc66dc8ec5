/** Affine index maps: how a value's axes follow from the axes of a loop, through reshapes, transposes, slices and so on. */
import type { Shape } from "../primitive.ts";
import type { Instruction } from "../program.ts";

/** offset + Σ coefficient · axis; terms are [axis of the space, coefficient], sorted, without zeros. */
export interface Affine {
  readonly offset: number;
  readonly terms: readonly (readonly [axis: number, coefficient: number])[];
}

/** One affine index per axis of a value. */
export type IndexMap = readonly Affine[];

export type ViewInstruction = Extract<
  Instruction,
  { readonly primitive: "reshape" | "transpose" | "broadcast" | "slice" | "reverse" }
>;

/** The axes of a loop. An axis may be split in two later on; maps that name the whole axis stay valid. */
export class IndexSpace {
  readonly sizes: number[];
  readonly rank: number;
  readonly #halves = new Map<number, readonly [outer: number, inner: number]>();

  constructor(shape: Shape) {
    this.sizes = [...shape];
    this.rank = shape.length;
  }

  /** The map of a value that is indexed by the space's own axes. */
  identity(): IndexMap {
    return Array.from({ length: this.rank }, (_, axis) => affine(0, [[axis, 1]]));
  }

  /** The unsplit parts of an axis, outer to inner. */
  leaves(axis: number): number[] {
    const halves = this.#halves.get(axis);
    return halves ? halves.flatMap((half) => this.leaves(half)) : [axis];
  }

  /** axis = outer · innerSize + inner */
  split(axis: number, innerSize: number): readonly [outer: number, inner: number] {
    const halves = [this.sizes.length, this.sizes.length + 1] as const;
    this.sizes.push((this.sizes[axis] ?? 1) / innerSize, innerSize);
    this.#halves.set(axis, halves);
    return halves;
  }

  /** The same affine form over unsplit axes of more than one element. */
  resolve(form: Affine): Affine {
    if (form.terms.every(([axis]) => !this.#halves.has(axis) && this.sizes[axis] !== 1)) return form;
    const terms = form.terms.flatMap(([axis, coefficient]) => {
      let scale = coefficient;
      return this.leaves(axis)
        .toReversed()
        .map((leaf): [number, number] => {
          const term: [number, number] = [leaf, scale];
          scale *= this.sizes[leaf] ?? 1;
          return term;
        });
    });
    return affine(
      form.offset,
      terms.filter(([axis]) => this.sizes[axis] !== 1),
    );
  }

  /** Row-major position in a value of `shape` at `map`. */
  linear(map: IndexMap, shape: Shape): Affine {
    let form = affine(0, []);
    let stride = 1;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      form = add(form, scale(map[axis] ?? affine(0, []), stride));
      stride *= shape[axis] ?? 1;
    }
    return form;
  }

  /** Text that is equal for equal maps. */
  key(map: IndexMap): string {
    return map
      .map((form) => {
        const { offset, terms } = this.resolve(form);
        return `${offset}:${terms.flat().join()}`;
      })
      .join(";");
  }
}

/** The operand's map from the map of a view's result; undefined when a reshape cuts across the space's axes. */
export function throughView(space: IndexSpace, view: ViewInstruction, access: ViewAccess): IndexMap | undefined {
  const { map, operandShape } = access;
  const at = (axis: number) => map[axis] ?? affine(0, []);
  switch (view.primitive) {
    case "transpose": {
      const rows: Affine[] = [];
      view.params.permutation.forEach((operandAxis, axis) => (rows[operandAxis] = at(axis)));
      return rows;
    }
    case "broadcast":
      return operandShape.map((size, axis) => (size === 1 ? affine(0, []) : at(view.params.axes[axis] ?? 0)));
    case "slice":
      return operandShape.map((_, axis) =>
        add(scale(at(axis), view.params.step[axis] ?? 1), affine(view.params.start[axis] ?? 0, [])),
      );
    case "reverse":
      return operandShape.map((size, axis) =>
        view.params.axes.includes(axis) ? add(affine(size - 1, []), scale(at(axis), -1)) : at(axis),
      );
    case "reshape":
      return unflatten(space, space.linear(map, view.params.shape), operandShape);
    default:
      return view satisfies never;
  }
}

interface ViewAccess {
  readonly map: IndexMap;
  readonly operandShape: Shape;
}

/** Divides a row-major position into one index per axis of `shape`, splitting loop axes where they span two of its axes. */
function unflatten(space: IndexSpace, position: Affine, shape: Shape): IndexMap | undefined {
  const strides = rowMajorStrides(shape);
  const rows: Affine[] = strides.map(() => affine(0, []));
  let rest = position.offset;
  strides.forEach((stride, axis) => {
    rows[axis] = affine(Math.floor(rest / stride), []);
    rest %= stride;
  });
  const open = [...space.resolve(position).terms];
  for (let term = open.pop(); term !== undefined; term = open.pop()) {
    const [axis, coefficient] = term;
    const size = space.sizes[axis] ?? 1;
    const row = strides.findIndex((stride) => stride <= coefficient);
    const stride = strides[row];
    const extent = shape[row];
    if (stride === undefined || extent === undefined || coefficient % stride !== 0) return undefined;
    const room = stride * extent;
    if ((size - 1) * coefficient < room) {
      rows[row] = add(rows[row] ?? affine(0, []), affine(0, [[axis, coefficient / stride]]));
      continue;
    }
    const inner = room / coefficient;
    if (!Number.isInteger(inner) || inner < 2 || size % inner !== 0) return undefined;
    const [outerHalf, innerHalf] = space.split(axis, inner);
    open.push([outerHalf, room], [innerHalf, coefficient]);
  }
  return rows.every((row, axis) => fits(space, row, shape[axis] ?? 1)) ? rows : undefined;
}

/** Whether the form stays in 0..size-1. */
function fits(space: IndexSpace, form: Affine, size: number): boolean {
  let [low, high] = [form.offset, form.offset];
  for (const [axis, coefficient] of form.terms) {
    const reach = coefficient * ((space.sizes[axis] ?? 1) - 1);
    if (reach < 0) low += reach;
    else high += reach;
  }
  return low >= 0 && high < size;
}

export function rowMajorStrides(shape: Shape): number[] {
  const strides: number[] = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis] ?? 1;
  }
  return strides;
}

export function affine(offset: number, terms: Affine["terms"]): Affine {
  return { offset, terms };
}

export function add(left: Affine, right: Affine): Affine {
  const sums = new Map(left.terms);
  for (const [axis, coefficient] of right.terms) sums.set(axis, (sums.get(axis) ?? 0) + coefficient);
  const terms = [...sums].filter(([, coefficient]) => coefficient !== 0).sort(([a], [b]) => a - b);
  return affine(left.offset + right.offset, terms);
}

export function scale(form: Affine, factor: number): Affine {
  if (factor === 1) return form;
  return affine(
    form.offset * factor,
    form.terms.map(([axis, coefficient]) => [axis, coefficient * factor]),
  );
}
