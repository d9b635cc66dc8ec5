/** The engine benches: training steps, matrix products, single operations. */
import type { Bench } from "../figure.ts";
import { contest } from "./contest.ts";
import type { Kind } from "./settings.ts";
import { settingsFor } from "./settings.ts";
import type { Workload } from "./workloads.ts";
import { elementwiseWorkloads, matmulWorkloads, stepWorkloads } from "./workloads.ts";

export const engineSteps = contests("steps", stepWorkloads);
export const engineMatmul = contests("matmul", matmulWorkloads);
export const engineElementwise = contests("elementwise", elementwiseWorkloads);

function contests(kind: Kind, workloads: readonly Workload[]): Bench {
  return async function* ({ filter, rounds }) {
    const named = workloads.filter(({ name }) => name === filter);
    const wanted = named.length > 0 ? named : workloads.filter(({ name }) => name.includes(filter));
    if (wanted.length === 0) return;
    const settings = await settingsFor(kind);
    for (const workload of wanted) yield* contest(workload, settings, { costs: kind === "steps", rounds });
  };
}
