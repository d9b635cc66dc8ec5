/** Whether what an operator asks to change of a run can be changed. */
import type { DeadlineRule, JobRound, WorkerShare } from "@weft/protocol";
import { CoordinatorOptionsError } from "./errors.ts";
import { withRate } from "./model/serverModel.ts";
import type { Changes } from "./round/state.ts";

/** @throws {CoordinatorOptionsError} saying what was expected */
export function checkChanges(changes: Changes, round: JobRound): void {
  const { learningRate, quorum, deadlineMs } = changes;
  if (learningRate !== undefined) {
    if (!(learningRate > 0 && learningRate < Infinity)) refuse("learningRate", "a number above zero", learningRate);
    withRate(round.server, learningRate);
    if (round.work.kind === "local" && round.work.correction?.kind === "feddyn" && learningRate !== 1) {
      throw new CoordinatorOptionsError(
        "learningRate: FedDyn steps to the mean of the local models less its own memory, by a rate of 1; leave it as it is",
      );
    }
  }
  if (quorum !== undefined) {
    if (!isShare(quorum)) refuse("quorum", "{ count } from 1 or { fraction } up to 1", quorum);
    if (round.pace?.kind === "buffered") {
      throw new CoordinatorOptionsError("quorum: a buffered pace has none; its versions are made of `size` updates");
    }
    if ("count" in quorum && "count" in round.cohort && quorum.count > round.cohort.count) {
      refuse("quorum", `{ count } up to the ${round.cohort.count} workers invited to each round`, quorum);
    }
  }
  if (deadlineMs !== undefined && !isDeadline(deadlineMs)) {
    refuse("deadlineMs", 'whole milliseconds above zero, "adaptive" or { deviations }', deadlineMs);
  }
}

const isShare = (share: WorkerShare): boolean =>
  "count" in share ? Number.isInteger(share.count) && share.count >= 1 : share.fraction > 0 && share.fraction <= 1;

const isDeadline = (rule: DeadlineRule): boolean =>
  rule === "adaptive" ||
  (typeof rule === "number" ? Number.isInteger(rule) && rule > 0 : rule.deviations > 0 && rule.deviations <= 1000);

function refuse(name: keyof Changes, expected: string, got: unknown): never {
  throw new CoordinatorOptionsError(`${name}: ${expected} expected, got ${JSON.stringify(got)}`);
}
