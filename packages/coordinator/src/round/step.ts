/**
 * The round machine: `step(state, event) → { state, effects }`. Pure: time comes in with events, choices are hashes of the
 * run's seed, and everything done to the world is an effect for the shell to carry out in order.
 */
import { countsForQuorum, type CountRule } from "./cohort.ts";
import { change, type Draft } from "./draft.ts";
import { changedPlan } from "./durable.ts";
import { noteMetrics } from "./ending.ts";
import { acceptAnswer } from "./evaluation.ts";
import { pruneRemembered } from "./forget.ts";
import { disconnect, join, joinTogether, leave } from "./membership.ts";
import type { RunEffect, RunEvent } from "./runEvent.ts";
import { settle } from "./settle.ts";
import type { Changes, RunState } from "./state.ts";
import { acceptUpdate, beginUpdate, breakUpdate, declineWork, refuseUpdate } from "./updates.ts";

export interface Stepped {
  readonly state: RunState;
  readonly effects: readonly RunEffect[];
}

/** @param rules `counts` decides which members of a round its quorum is taken of; another only to test that it matters */
export function step(
  state: RunState,
  event: RunEvent,
  rules: { readonly counts: CountRule } = { counts: countsForQuorum },
): Stepped {
  if (state.phase.kind === "finished") return { state, effects: [] };
  const draft: Draft = { state, effects: [], nowMs: event.nowMs, counts: rules.counts };
  apply(draft, event);
  settle(draft);
  announceGathering(draft, state);
  return { state: draft.state, effects: draft.effects };
}

function apply(draft: Draft, event: RunEvent): void {
  switch (event.kind) {
    case "joined":
      join(draft, event);
      break;
    case "crowdJoined":
      joinTogether(draft, event.workers);
      break;
    case "left":
      leave(draft, event.worker);
      break;
    case "disconnected":
      disconnect(draft, event.worker);
      break;
    case "updateBegun":
      beginUpdate(draft, event);
      break;
    case "updateArrived":
      acceptUpdate(draft, event);
      break;
    case "updateInvalid":
      refuseUpdate(draft, event);
      break;
    case "updateBroken":
      breakUpdate(draft, event.worker, event.upload);
      break;
    case "declined":
      declineWork(draft, event);
      break;
    case "evaluated":
      acceptAnswer(draft, event);
      break;
    case "committed":
      noteCommitted(draft, event.metrics);
      break;
    case "stop":
      change(draft, { ending: { reason: "stopped", detail: event.detail } });
      break;
    case "pause":
    case "unpause":
      setPaused(draft, event.kind === "pause");
      break;
    case "change":
      changeRules(draft, event.changes);
      break;
    case "tick":
      break;
    default:
      event satisfies never;
  }
}

function noteCommitted(draft: Draft, metrics: Readonly<Record<string, number>> | undefined): void {
  const { phase } = draft.state;
  if (phase.kind !== "committing") return;
  const { round, after } = phase.round;
  change(draft, { version: round, progress: after, attempt: 0, phase: { kind: "gathering" } });
  if (metrics !== undefined) noteMetrics(draft, round, metrics);
  pruneRemembered(draft);
}

function setPaused(draft: Draft, paused: boolean): void {
  if (paused === draft.state.paused) return;
  change(draft, { paused });
  draft.effects.push({ kind: "paused", paused });
}

/** An operator's changes hold from now on; those made before stay in force. */
function changeRules(draft: Draft, made: Changes): void {
  const { plan, changes } = draft.state;
  change(draft, { plan: changedPlan(plan, made), changes: { ...changes, ...made } });
  draft.effects.push({ kind: "changed", changes: draft.state.changes });
}

/** Tells how many workers are still waited for, when that changes. */
function announceGathering(draft: Draft, before: RunState): void {
  const present = waiting(draft.state);
  if (present === undefined || present === waiting(before)) return;
  draft.effects.push({ kind: "gathering", workers: present, expected: draft.state.expected });
}

/** Workers present while a round cannot open for lack of them; undefined otherwise. */
function waiting(state: RunState): number | undefined {
  if (state.phase.kind !== "gathering" || state.paused) return undefined;
  const { present } = state.workers;
  return present < state.expected ? present : undefined;
}
