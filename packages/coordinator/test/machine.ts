/** A round machine with a log, fed by hand. */
import type { RunPlan } from "../src/round/plan.ts";
import type { Report } from "../src/round/record.ts";
import type { RunEffect, RunEvent } from "../src/round/runEvent.ts";
import { initialState, type RunState } from "../src/round/state.ts";
import { step } from "../src/round/step.ts";
import { plan } from "./simulateRound.ts";

export function machine(options: Partial<RunPlan> = {}, expected = 1, from?: RunState) {
  let state: RunState = from ?? initialState({ ...plan, ...options }, expected);
  let uploads = 0;
  const log: RunEffect[] = [];
  const send = (event: RunEvent) => {
    const stepped = step(state, event);
    state = stepped.state;
    log.push(...stepped.effects);
    return stepped.effects;
  };
  const work = () => log.filter((effect) => effect.kind === "sendWork");
  const begin = (worker: string, nowMs: number) => {
    const { round, attempt } = work().findLast((effect) => effect.worker === worker)!;
    const upload = ++uploads;
    return { upload, effects: send({ kind: "updateBegun", worker, upload, round, attempt, nowMs }) };
  };
  return {
    send,
    log,
    work,
    begin,
    get state() {
      return state;
    },
    join: (worker: string, nowMs: number, more: { slot?: number; ownExamples?: number } = {}) =>
      send({ kind: "joined", worker, nowMs, ...more }),
    deliver(worker: string, nowMs: number, report?: Report) {
      const { upload, effects } = begin(worker, nowMs);
      return [...effects, ...send({ kind: "updateArrived", worker, upload, report, nowMs })];
    },
  };
}

export const kinds = (effects: readonly RunEffect[]) => effects.map(({ kind }) => kind);
