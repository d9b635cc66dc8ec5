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
