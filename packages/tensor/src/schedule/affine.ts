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
  /** By axis, of those that are split. */
  readonly #halves: (readonly [outer: number, inner: number])[] = [];
  /** Texts of maps, as long as no axis is split: most values of a loop are indexed by the same map. */
  #keys = new Map<IndexMap, string>();
  #identity: IndexMap | undefined;

  constructor(shape: Shape) {
    this.sizes = [...shape];
    this.rank = shape.length;
  }

  /** The map of a value that is indexed by the space's own axes. */
  identity(): IndexMap {
    this.#identity ??= Array.from({ length: this.rank }, (_, axis) => affine(0, [[axis, 1]]));
    return this.#identity;
  }

  /** The unsplit parts of an axis, outer to inner. */
  leaves(axis: number): number[] {
    const halves = this.#halves[axis];
    return halves ? halves.flatMap((half) => this.leaves(half)) : [axis];
  }

  /** axis = outer · innerSize + inner */
  split(axis: number, innerSize: number): readonly [outer: number, inner: number] {
    const halves = [this.sizes.length, this.sizes.length + 1] as const;
    this.sizes.push((this.sizes[axis] ?? 1) / innerSize, innerSize);
    this.#halves[axis] = halves;
    this.#keys = new Map();
    return halves;
  }

  /** The same affine form over unsplit axes of more than one element. */
  resolve(form: Affine): Affine {
    if (form.terms.every(([axis]) => this.#halves[axis] === undefined && this.sizes[axis] !== 1)) return form;
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
    let form = zero;
    let stride = 1;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      form = add(form, scale(map[axis] ?? zero, stride));
      stride *= shape[axis] ?? 1;
    }
    return form;
  }

  /** Text that is equal for equal maps. */
  key(map: IndexMap): string {
    let text = this.#keys.get(map);
    if (text === undefined) {
      text = "";
      for (const form of map) text += `${accessText(this.resolve(form))};`;
      this.#keys.set(map, text);
    }
    return text;
  }
}

function accessText({ offset, terms }: Affine): string {
  let text = String(offset);
  for (const [axis, coefficient] of terms) text += `,${axis},${coefficient}`;
  return text;
}

/** The operand's map from the map of a view's result; undefined when a reshape cuts across the space's axes. */
export function throughView(space: IndexSpace, view: ViewInstruction, access: ViewAccess): IndexMap | undefined {
  const { map, operandShape } = access;
  const at = (axis: number) => map[axis] ?? zero;
  switch (view.primitive) {
    case "transpose": {
      const rows: Affine[] = [];
      view.params.permutation.forEach((operandAxis, axis) => (rows[operandAxis] = at(axis)));
      return rows;
    }
    case "broadcast":
      return operandShape.map((size, axis) => (size === 1 ? zero : at(view.params.axes[axis] ?? 0)));
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
  const rows: Affine[] = [];
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
      rows[row] = add(rows[row] ?? zero, affine(0, [[axis, coefficient / stride]]));
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

const zero = affine(0, []);

export function add(left: Affine, right: Affine): Affine {
  const offset = left.offset + right.offset;
  const [ours, theirs] = [left.terms, right.terms];
  if (theirs.length === 0) return affine(offset, ours);
  if (ours.length === 0) return affine(offset, theirs);
  const terms: (readonly [axis: number, coefficient: number])[] = [];
  let [i, j] = [0, 0];
  while (i < ours.length || j < theirs.length) {
    const [mine, other] = [ours[i], theirs[j]];
    if (other === undefined || (mine && mine[0] < other[0])) {
      terms.push(mine!);
      i++;
    } else if (mine === undefined || other[0] < mine[0]) {
      terms.push(other);
      j++;
    } else {
      const coefficient = mine[1] + other[1];
      if (coefficient !== 0) terms.push([mine[0], coefficient]);
      i++;
      j++;
    }
  }
  return affine(offset, terms);
}

export function scale(form: Affine, factor: number): Affine {
  if (factor === 1 || form === zero) return form;
  if (factor === 0) return zero;
  return affine(
    form.offset * factor,
    form.terms.map(([axis, coefficient]) => [axis, coefficient * factor]),
  );
}
