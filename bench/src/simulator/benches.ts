/** What simulations cost: time over the computation itself, memory of workers that have nothing to do. */
import type { Bench } from "../figure.ts";
import { million } from "./million.ts";
import { overhead } from "./overhead.ts";

const all: Readonly<Record<string, Bench>> = { overhead, million };

export const simulator: Bench = async function* (options) {
  for (const [name, bench] of Object.entries(all)) if (name.includes(options.filter)) yield* bench(options);
};
