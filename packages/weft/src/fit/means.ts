/** Running means of loss and metrics over the examples of an epoch. */

export interface KeptMeans {
  readonly examples: number;
  readonly sums: readonly (number | null)[];
}

export class Means {
  readonly #names: readonly string[];
  readonly #sums: Float64Array;
  #examples = 0;

  /** @param kept what another one gave as `kept`, to go on from */
  constructor(metrics: readonly string[], kept?: KeptMeans) {
    this.#names = ["loss", ...metrics];
    // JSON writes what is no number as null.
    this.#sums = Float64Array.from(this.#names, (_, i) => (kept ? (kept.sums[i] ?? NaN) : 0));
    this.#examples = kept?.examples ?? 0;
  }

  /** As plain data, for a checkpoint within the epoch. */
  kept(): KeptMeans {
    return { examples: this.#examples, sums: [...this.#sums] };
  }

  add(batch: { examples: number; loss: number; metrics: Readonly<Record<string, number>> }): void {
    this.#examples += batch.examples;
    const values: Readonly<Record<string, number>> = { ...batch.metrics, loss: batch.loss };
    this.#names.forEach((name, i) => {
      this.#sums[i] = (this.#sums[i] ?? 0) + (values[name] ?? NaN) * batch.examples;
    });
  }

  figures(): Record<string, number> {
    return Object.fromEntries(this.#names.map((name, i) => [name, (this.#sums[i] ?? NaN) / this.#examples]));
  }
}
