/** A dataset divided among workers: one order of the examples, and where each part of it ends. So a million parts take a few words each. */

export class Parts implements Iterable<Uint32Array> {
  readonly #order: Uint32Array;
  readonly #ends: Uint32Array;

  /**
   * @param order examples, part after part
   * @param ends one for each part, ascending
   */
  constructor(order: Uint32Array, ends: Uint32Array) {
    this.#order = order;
    this.#ends = ends;
  }

  get length(): number {
    return this.#ends.length;
  }

  /** The examples of a part, as a view of them all; undefined where there is no such part. */
  at(part: number): Uint32Array | undefined {
    const end = this.#ends[part];
    return end === undefined ? undefined : this.#order.subarray(this.#ends[part - 1] ?? 0, end);
  }

  *[Symbol.iterator](): Generator<Uint32Array, void, undefined> {
    for (let part = 0; part < this.length; part++) yield this.at(part)!;
  }
}

/**
 * The parts by whom each example is given to, every part in the order of the examples.
 *
 * @param owners a part for each example
 */
export function partsOf(owners: Uint32Array, parts: number): Parts {
  const { order, ends } = grouped(owners, (i) => i, parts);
  return new Parts(order, ends);
}

/** Examples in groups by their owners, each in the order of `exampleAt`: a counting sort. */
export function grouped(
  owners: Uint32Array,
  exampleAt: (place: number) => number,
  groups: number,
): { readonly order: Uint32Array; readonly ends: Uint32Array } {
  const ends = new Uint32Array(groups);
  for (const owner of owners) ends[owner]! += 1;
  for (let group = 1; group < groups; group++) ends[group]! += ends[group - 1]!;
  const order = new Uint32Array(owners.length);
  const next = ends.slice();
  for (let place = owners.length - 1; place >= 0; place--) {
    const example = exampleAt(place);
    order[--next[owners[example]!]!] = example;
  }
  return { order, ends };
}
