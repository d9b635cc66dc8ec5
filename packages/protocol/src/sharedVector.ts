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

/**
 * The shared parameters in the parts that rounds bring in by turns (Douillard et al. 2025, Streaming DiLoCo): neighbours, in order, so divided
 * that the largest part is as small as can be. One part of everything where the job does not stream.
 */
export function sharedFragments(document: Pick<JobDocument, "parameters" | "round">): SharedParameter[][] {
  const shared = sharedParameters(document);
  const { work } = document.round;
  const wanted = work.kind === "local" ? (work.streaming?.fragments ?? 1) : 1;
  const sizes = shared.map(elementsOf);
  let [least, most] = [sizes.reduce((a, b) => Math.max(a, b), 0), sizes.reduce((a, b) => a + b, 0)];
  while (least < most) {
    const middle = Math.floor((least + most) / 2);
    if (divided(shared, middle, 1).length <= wanted) most = middle;
    else least = middle + 1;
  }
  return divided(shared, least, wanted);
}

/** The part that a round brings in, of so many. */
export const fragmentOf = (round: number, fragments: number): number => (round - 1) % fragments;

/** Parts of at most `limit` elements from the front, and at least so many parts as there are elements for. */
function divided(parameters: readonly SharedParameter[], limit: number, atLeast: number): SharedParameter[][] {
  const parts: SharedParameter[][] = [];
  let left = parameters.filter((parameter) => elementsOf(parameter) > 0).length;
  let filled = 0;
  for (const parameter of parameters) {
    const size = elementsOf(parameter);
    const last = parts.at(-1);
    const isFull = size > 0 && filled > 0 && (filled + size > limit || left <= atLeast - parts.length);
    if (last === undefined || isFull) {
      parts.push([parameter]);
      filled = size;
    } else {
      last.push(parameter);
      filled += size;
    }
    if (size > 0) left -= 1;
  }
  return parts;
}

const elementsOf = ({ shape }: SharedParameter): number => shape.reduce((product, length) => product * length, 1);
