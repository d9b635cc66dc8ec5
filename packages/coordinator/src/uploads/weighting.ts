/** What an update weighs beside others, and what the mean of a round is multiplied by, as the job's weighting says. */
import { effortOf, type JobRound, type MessageOf, stepsOf } from "@weft/protocol";
import type { Reason } from "../round/runEvent.ts";

type UpdateMessage = MessageOf<"update">;

/** Whether every update weighs the same; under "fair" what a worker sends is weighed by its loss already. */
export const isUniform = ({ weighting }: JobRound): boolean =>
  weighting === "uniform" || (typeof weighting === "object" && weighting.kind === "fair");

/**
 * FedNova: changes come divided by their effort, and their mean is multiplied by the mean effort. q-FedAvg: the sum of weighed
 * changes is divided by the sum of their curvatures. The sums are taken in an order that does not depend on arrival.
 */
export function scaleOf({ weighting, work }: JobRound, messages: readonly UpdateMessage[]): number {
  if (typeof weighting === "string" || work.kind !== "local") return 1;
  if (weighting.kind === "fair") return messages.length / sum(messages.map(({ figures }) => figures?.curvature ?? 1));
  const efforts = messages.map(({ figures, weight }) => weight * effortOf(work, figures?.steps ?? 1));
  return sum(efforts) / sum(messages.map(({ weight }) => weight));
}

const sum = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b).reduce((total, value) => total + value, 0);

/** What is wrong with the figures that an update comes with, if anything. */
export function figuresProblem({ weighting, work }: JobRound, { figures, weight }: UpdateMessage): Reason | undefined {
  if (typeof weighting === "string" || work.kind !== "local") return undefined;
  if (weighting.kind === "fair") {
    if ((figures?.curvature ?? Infinity) < Infinity) return undefined;
    return { code: "figures", text: "under the fair weighting an update comes with its curvature, a number above 0" };
  }
  const most = stepsOf(work, weight);
  if (figures?.steps !== undefined && figures.steps <= most) return undefined;
  const got = figures?.steps ?? "none";
  return {
    code: "figures",
    text: `the steps behind the update expected, 1 to ${most} for ${weight} examples; got ${got}`,
  };
}
