/**
 * Counters, gauges and histograms, and their text as Prometheus reads it (exposition format 0.0.4). Series are made as they
 * are first used; those of a label that names what comes from outside are for the caller to bound.
 */

export type Labels = Readonly<Record<string, string>>;

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** By the text of its labels. */
  readonly series: Map<string, Series>;
  /** Upper bounds, of a histogram. */
  readonly bounds: readonly number[];
}

interface Series {
  value: number;
  /** Of a histogram: observations up to each bound and no further one, then those beyond all. */
  readonly counts: number[];
}

export class Registry {
  readonly #families = new Map<string, Family>();

  counter(name: string, help: string): { add(amount: number, labels?: Labels): void } {
    const family = this.#family({ name, help, type: "counter" });
    return {
      add: (amount, labels = {}) => {
        seriesOf(family, labels).value += amount;
      },
    };
  }

  gauge(name: string, help: string): { set(value: number, labels?: Labels): void; clear(): void } {
    const family = this.#family({ name, help, type: "gauge" });
    return {
      set: (value, labels = {}) => {
        seriesOf(family, labels).value = value;
      },
      clear: () => {
        family.series.clear();
      },
    };
  }

  /** @param bounds ascending; the last, infinite, one goes without saying */
  histogram(name: string, help: string, bounds: readonly number[]): { observe(value: number, labels?: Labels): void } {
    const family = this.#family({ name, help, type: "histogram", bounds });
    return {
      observe: (value, labels = {}) => {
        const series = seriesOf(family, labels);
        const bucket = bounds.findIndex((bound) => value <= bound);
        const place = bucket === -1 ? bounds.length : bucket;
        series.counts[place] = (series.counts[place] ?? 0) + 1;
        series.value += value;
      },
    };
  }

  text(): string {
    return [...this.#families.values()].flatMap(familyLines).join("\n") + "\n";
  }

  #family({ bounds = [], ...facts }: Pick<Family, "name" | "help" | "type"> & Partial<Family>): Family {
    if (this.#families.has(facts.name)) throw new Error(`metric ${facts.name} is there already`);
    const family: Family = { ...facts, bounds, series: new Map() };
    this.#families.set(facts.name, family);
    return family;
  }
}

function seriesOf({ series, bounds }: Family, labels: Labels): Series {
  const key = Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escaped)}"`)
    .join(",");
  const found = series.get(key) ?? { value: 0, counts: new Array<number>(bounds.length + 1).fill(0) };
  series.set(key, found);
  return found;
}

const escaped = (character: string) => (character === "\n" ? "\\n" : `\\${character}`);

function familyLines(family: Family): string[] {
  const { name, help, type, series } = family;
  if (series.size === 0) return [];
  const samples = [...series].flatMap(([labels, values]) =>
    type === "histogram"
      ? histogramLines(family, labels, values)
      : [`${name}${braced(labels)} ${numberText(values.value)}`],
  );
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples];
}

function histogramLines({ name, bounds }: Family, labels: string, { value, counts }: Series): string[] {
  let sum = 0;
  const buckets = [...bounds, Infinity].map((bound, i) => {
    sum += counts[i] ?? 0;
    return `${name}_bucket${braced(join(labels, `le="${numberText(bound)}"`))} ${sum}`;
  });
  return [...buckets, `${name}_sum${braced(labels)} ${numberText(value)}`, `${name}_count${braced(labels)} ${sum}`];
}

const braced = (labels: string) => (labels === "" ? "" : `{${labels}}`);
const join = (labels: string, more: string) => (labels === "" ? more : `${labels},${more}`);

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return Number.isNaN(value) ? "NaN" : String(value);
}
