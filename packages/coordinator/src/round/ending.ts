/** Why a run opens no further round: its stop rule, its metrics, its operator, or updates that are all refused. */
import type { Draft } from "./draft.ts";
import { bufferedPace, tolerance } from "./plan.ts";
import type { Best, Ending, RunState } from "./state.ts";

/** Attempts in a row without one valid update after which the run is given up; in a buffered pace, orders of each worker. */
const barrenAttempts = 3;

export function endOf(state: RunState): Ending | undefined {
  const { plan, version, progress, ending, barren, complaint } = state;
  const { rounds, epochs } = plan.stop;
  if (ending !== undefined) return ending;
  if (rounds !== undefined && version >= rounds) return { reason: "rounds", detail: `${rounds} rounds are done` };
  if (epochs !== undefined && progress.epochs >= epochs - tolerance) {
    return { reason: "epochs", detail: `${epochs} epochs are done` };
  }
  const isBuffered = bufferedPace(plan) !== undefined;
  if (barren < barrenAttempts * (isBuffered ? Math.max(1, state.workers.present) : 1)) return undefined;
  const what = isBuffered ? "orders" : "attempts";
  const detail = `round ${version + 1}: ${barren} ${what} brought no valid update; the last was refused: ${complaint}`;
  return { reason: "failed", detail };
}

/** Looks at an evaluation of a version: the target may be reached, or patience be at its end. */
export function noteMetrics(
  draft: Pick<Draft, "state">,
  version: number,
  metrics: Readonly<Record<string, number>>,
): void {
  const { target, patience } = draft.state.plan.stop;
  const reached = target === undefined ? undefined : metrics[target.metric];
  if (target !== undefined && reached !== undefined && !isBetter(target.metric, target.value, reached)) {
    const detail = `${target.metric} reached ${reached} in round ${version}`;
    draft.state = { ...draft.state, ending: { reason: "target", detail } };
    return;
  }
  const value = patience === undefined ? undefined : metrics[patience.metric];
  if (patience === undefined || value === undefined) return;
  const { metric, evaluations, minDelta = 0 } = patience;
  const best = nextBest(draft.state.best, { metric, value, version, minDelta });
  draft.state = { ...draft.state, best };
  if (best.since < evaluations) return;
  const detail = `${metric} has not been better than ${best.value} of round ${best.version} for ${evaluations} evaluations`;
  draft.state = { ...draft.state, ending: { reason: "patience", detail } };
}

/** A state that knows the metrics of its version, such as one that a restart kept from hearing of them. */
export function withMetrics(state: RunState, metrics: Readonly<Record<string, number>>): RunState {
  const draft = { state };
  noteMetrics(draft, state.version, metrics);
  return draft.state;
}

function nextBest(
  best: Best | undefined,
  seen: { readonly metric: string; readonly value: number; readonly version: number; readonly minDelta: number },
): Best {
  const { metric, value, version, minDelta } = seen;
  if (best === undefined || isBetter(metric, value, best.value, minDelta)) return { value, version, since: 0 };
  return { ...best, since: best.since + 1 };
}

/** Whether `value` is better than `other` by more than `minDelta`. Of all metrics only the loss is better when smaller. */
function isBetter(metric: string, value: number, other: number, minDelta = 0): boolean {
  return metric === "loss" ? value < other - minDelta : value > other + minDelta;
}
