/** Running means of loss and metrics over the examples of an epoch. */

export class Means {
  readonly #names: readonly string[];
  readonly #sums: Float64Array;
  #examples = 0;

  constructor(metrics: readonly string[]) {
    this.#names = ["loss", ...metrics];
    this.#sums = new Float64Array(this.#names.length);
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
