/** What coordinator and workers share of a model: the flat vector that travels, up and down, and that versions are made of. */
import type { JobDocument } from "./job.ts";

/** One entry of the shared vector; a control variate stands beside each weight that it corrects. */
export interface SharedParameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: "weight" | "statistic" | "control";
}

/** In order: the parameters that are no worker's own, then the control variates of the weights among them where the job has any. */
export function sharedParameters({ parameters, round }: Pick<JobDocument, "parameters" | "round">): SharedParameter[] {
  const shared = parameters
    .filter(({ local = false }) => !local)
    .map(({ name, shape, kind }) => ({ name, shape, kind }));
  if (round.work.kind !== "local" || round.work.correction?.kind !== "scaffold") return shared;
  const controls = shared.flatMap(({ name, shape, kind }): SharedParameter[] =>
    kind === "weight" ? [{ name: `control/${name}`, shape, kind: "control" }] : [],
  );
  return [...shared, ...controls];
}
