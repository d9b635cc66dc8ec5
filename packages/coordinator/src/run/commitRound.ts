/** Makes a round final and tells everyone who should know; then the run goes on. */
import { setImmediate } from "node:timers/promises";
import { isBusy } from "../round/busy.ts";
import { totalRounds } from "../round/plan.ts";
import type { CommitEffect } from "./committer.ts";
import { countedUpdates } from "./countedUpdates.ts";
import { roundFigures } from "./figures.ts";
import type { LiveRun } from "./liveRun.ts";

export async function commitRound(live: LiveRun, effect: CommitEffect): Promise<void> {
  const { attendance, parts } = live;
  const { committer, session, emit } = parts;
  const counted = countedUpdates(live.state);
  const record = await committer.commit(
    effect,
    () => ({ ...attendance.traffic.sinceLast(), ms: session.clock.now() - effect.openedMs, counted }),
    attendance.sessions,
  );
  // With every worker in this process nothing else would let timers and sockets have their turn.
  await setImmediate();
  if (live.isOver()) return;
  emit({
    event: "round",
    ...roundFigures(record, { totalRounds: totalRounds(live.state.plan), workers: live.workers }),
  });
  const { round, version } = record;
  attendance.tell({ kind: "committed", round, version, metrics: record.metrics });
  // What follows is told to as many.
  if (attendance.sessions.size > 1) await setImmediate();
  attendance.letGoOfIdle(version - committer.reach, (worker) => isBusy(live.state, worker));
  const checkpointed = await committer.checkpoint("due");
  if (checkpointed !== undefined) emit({ event: "checkpoint", version: record.version, ...checkpointed });
  const metrics = effect.evaluate && !live.isOver() ? await evaluateNewest(live) : undefined;
  live.dispatch({ kind: "committed", metrics });
}

/** Metrics of the newest version, where the coordinator evaluates; told once for each version. */
export async function evaluateNewest({
  parts: { committer, emit },
}: Pick<LiveRun, "parts">): Promise<Readonly<Record<string, number>> | undefined> {
  const { version, evaluated } = committer;
  const metrics = await committer.evaluate();
  if (metrics !== undefined && !evaluated)
    emit({ event: "evaluated", round: version, version, metrics, ...committer.moved });
  return metrics;
}
