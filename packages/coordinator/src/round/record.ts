/** What is known of a worker's past rounds, for those rules of sampling and balance that look at it. */
import type { RunPlan } from "./plan.ts";

export interface WorkerRecord {
  /** Rounds it could have been invited to, was invited to, and delivered in. */
  readonly rounds: number;
  readonly invited: number;
  readonly delivered: number;
  /** Invitations it would have had if every cohort were drawn evenly. */
  readonly due: number;
  /** Rounds since its last invitation that it could have been invited to. */
  readonly waited: number;
  /** Examples a second, averaged over its updates; undefined before the first. */
  readonly speed?: number | undefined;
  /** Mean loss over its examples as it last reported it. */
  readonly loss?: number | undefined;
}

export const freshRecord: WorkerRecord = {
  rounds: 0,
  invited: 0,
  delivered: 0,
  due: 0,
  waited: 0,
};

/** What an update says of its making. */
export interface Report {
  readonly weight: number;
  readonly computeMs: number;
  /** Sum over its examples. */
  readonly loss: number | undefined;
}

/** Part of a new measurement in the average of a worker's speed. */
const speedGain = 0.3;

/** The record after an update was counted that took `elapsedMs` from order to arrival, over so many examples, repetitions included. */
export function withReport(
  record: WorkerRecord,
  { weight, computeMs, loss }: Report,
  { elapsedMs, examples = weight }: { readonly elapsedMs: number; readonly examples?: number },
): WorkerRecord {
  // A worker's word for its speed, held against the clock here: it cannot have computed for longer than it had the order.
  const seconds = Math.max(Math.min(computeMs, elapsedMs), elapsedMs / 1000, 0.01) / 1000;
  const measured = examples / seconds;
  return {
    ...record,
    delivered: record.delivered + 1,
    speed: record.speed === undefined ? measured : record.speed + speedGain * (measured - record.speed),
    loss: loss === undefined || weight === 0 ? record.loss : loss / weight,
  };
}

/** Whether cohorts are drawn by what workers did before, so that it must survive a restart. */
export function keepsRecords({ cohort: { sampling = "uniform", fairness }, balance }: RunPlan): boolean {
  const looks = sampling === "availability" || sampling === "loss" || sampling === "speed";
  return looks || fairness !== undefined || balance === "speed";
}
