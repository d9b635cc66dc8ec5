/**
 * A table by slot that is never changed: putting a value gives another table, which shares all but a path of a few small arrays
 * with the one before. So a step of the round machine costs the same with ten workers as with a million.
 */

/** Slots in one array; the tree has as many levels as the largest slot needs. */
const width = 32;
const bits = 5;

type Node<T> = readonly (Node<T> | T | undefined)[];

export class SlotTable<T extends object | string | number> {
  static readonly empty = new SlotTable<never>([], 1, 0);
  readonly #root: Node<T>;
  readonly #levels: number;
  /** Values in it. */
  readonly size: number;

  private constructor(root: Node<T>, levels: number, size: number) {
    this.#root = root;
    this.#levels = levels;
    this.size = size;
  }

  get(slot: number): T | undefined {
    if (slot >= width ** this.#levels) return undefined;
    let node: Node<T> | T | undefined = this.#root;
    for (let shift = bits * (this.#levels - 1); shift >= 0 && node !== undefined; shift -= bits) {
      node = (node as Node<T>)[digit(slot, shift)];
    }
    return node as T | undefined;
  }

  /** With the value at the slot, or with nothing there. */
  with(slot: number, value: T | undefined): SlotTable<T> {
    let [root, levels] = [this.#root, this.#levels];
    for (; slot >= width ** levels; levels++) root = [root];
    const size = this.size + Number(value !== undefined) - Number(this.get(slot) !== undefined);
    return new SlotTable(put(root, { slot, shift: bits * (levels - 1) }, value) ?? [], levels, size);
  }

  /** With values at consecutive slots from `start` on, where nothing is. */
  withAll(start: number, values: readonly T[]): SlotTable<T> {
    if (values.length === 0) return this;
    let [root, levels] = [this.#root, this.#levels];
    for (; start + values.length > width ** levels; levels++) root = [root];
    const filled = fill(root, { from: 0, shift: bits * (levels - 1) }, { start, values });
    return new SlotTable(filled, levels, this.size + values.length);
  }

  /** In the order of slots. */
  *values(): Generator<T, void, undefined> {
    // Handed up through a generator for each level, a value would cost several times as much.
    for (const leaf of leavesOf<T>(this.#root, this.#levels)) {
      for (const value of leaf) if (value !== undefined) yield value;
    }
  }

  /** The lowest slot that holds a value. */
  first(): number | undefined {
    return firstOf(this.#root, this.#levels);
  }
}

/** Slots beyond 2^31 are beyond any table. */
const digit = (slot: number, shift: number) => (slot >>> shift) & (width - 1);

/** Undefined when nothing is left in it. */
function put<T>(
  node: Node<T> | undefined,
  { slot, shift }: { slot: number; shift: number },
  value: T | undefined,
): Node<T> | undefined {
  const copy = node === undefined ? [] : node.slice();
  const place = digit(slot, shift);
  while (copy.length < place) copy.push(undefined);
  copy[place] = shift === 0 ? value : put(copy[place] as Node<T> | undefined, { slot, shift: shift - bits }, value);
  return value === undefined && copy.every((child) => child === undefined) ? undefined : copy;
}

/** A node whose first slot is `from`, with those of the values that fall in it. */
function fill<T>(
  node: Node<T> | undefined,
  { from, shift }: { readonly from: number; readonly shift: number },
  given: { readonly start: number; readonly values: readonly T[] },
): Node<T> {
  const { start, values } = given;
  const copy = node === undefined ? [] : node.slice();
  const step = 2 ** shift;
  const first = Math.max(0, Math.floor((start - from) / step));
  while (copy.length < first) copy.push(undefined);
  for (let place = first; place < width && from + place * step < start + values.length; place++) {
    const at = from + place * step;
    copy[place] =
      shift === 0
        ? values[at - start]
        : fill(copy[place] as Node<T> | undefined, { from: at, shift: shift - bits }, given);
  }
  return copy;
}

/** The arrays that hold values, in the order of their slots. */
function leavesOf<T>(
  node: Node<T>,
  levels: number,
  leaves: (readonly (T | undefined)[])[] = [],
): readonly (readonly (T | undefined)[])[] {
  if (levels === 1) leaves.push(node as readonly (T | undefined)[]);
  else for (const child of node) if (child !== undefined) leavesOf(child as Node<T>, levels - 1, leaves);
  return leaves;
}

function firstOf<T>(node: Node<T>, levels: number): number | undefined {
  for (const [place, child] of node.entries()) {
    if (child === undefined) continue;
    if (levels === 1) return place;
    const within = firstOf(child as Node<T>, levels - 1);
    if (within !== undefined) return place * width ** (levels - 1) + within;
  }
  return undefined;
}
