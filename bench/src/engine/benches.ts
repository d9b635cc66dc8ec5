/** The engine benches: training steps, matrix products, single operations. */
import type { Figure } from "../figure.ts";
import type { ContestOptions } from "./contest.ts";
import { contest } from "./contest.ts";
import { allSettings } from "./settings.ts";
import type { Workload } from "./workloads.ts";
import { elementwiseWorkloads, matmulWorkloads, stepWorkloads } from "./workloads.ts";

type Bench = (filter: string) => AsyncIterable<Figure>;

export const engineSteps = contests(stepWorkloads, { costs: true });
export const engineMatmul = contests(matmulWorkloads, { costs: false });
export const engineElementwise = contests(elementwiseWorkloads, { costs: false });

function contests(workloads: readonly Workload[], options: ContestOptions): Bench {
  return async function* (filter) {
    const named = workloads.filter(({ name }) => name === filter);
    const wanted = named.length > 0 ? named : workloads.filter(({ name }) => name.includes(filter));
    if (wanted.length === 0) return;
    const settings = await allSettings();
    for (const workload of wanted) yield* contest(workload, settings, options);
  };
}
