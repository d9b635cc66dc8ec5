/** Bugs planted in the round machine, or in what it is told, each with the complaint that must follow. */
import { countsForQuorum, type CountRule } from "../../src/round/cohort.ts";
import type { RunPlan } from "../../src/round/plan.ts";
import type { RunEffect, RunEvent } from "../../src/round/runEvent.ts";
import type { RunState } from "../../src/round/state.ts";
import { step } from "../../src/round/step.ts";
import type { Machine, Storm } from "./world.ts";

export interface Mutation {
  readonly name: string;
  readonly pace: "synchronous" | "buffered";
  readonly mutate: (storm: Storm) => Storm;
  readonly complaint: RegExp;
}

const rules = { counts: countsForQuorum };
const sound: Machine = (state, event) => step(state, event, rules);

const machine =
  (mutated: Machine) =>
  (storm: Storm): Storm => ({ ...storm, machine: mutated });

const planned =
  (change: (plan: RunPlan) => RunPlan) =>
  (storm: Storm): Storm => ({ ...storm, given: change(storm.plan) });

/** Leaves out effects. */
const without = (isLost: (effect: RunEffect, state: RunState) => boolean): Machine => {
  return (state, event) => {
    const stepped = sound(state, event);
    return { ...stepped, effects: stepped.effects.filter((effect) => !isLost(effect, stepped.state)) };
  };
};

/** Is not told of some events. */
const deafTo =
  (isUnheard: (event: RunEvent) => boolean): Machine =>
  (state, event) =>
    isUnheard(event) ? { state, effects: [] } : sound(state, event);

const stubborn: CountRule = (_, round, worker) => round.members.has(worker);

/** Takes an update again that was counted already. */
const countsTwice: Machine = (state, event) => {
  const stepped = sound(state, event);
  if (event.kind !== "updateArrived") return stepped;
  const { phase } = stepped.state;
  if (phase.kind !== "open") return stepped;
  const { round } = phase;
  const member = round.members.get(event.worker);
  if (member?.status === "delivered") {
    const working = { ...member, status: "working", upload: undefined } as const;
    const members = new Map(round.members).set(event.worker, working);
    return { ...stepped, state: { ...stepped.state, phase: { kind: "open", round: { ...round, members } } } };
  }
  const before = state.tasks.get(event.worker);
  if (before === undefined || stepped.state.tasks.has(event.worker)) return stepped;
  const again = { ...before, upload: undefined, folding: false };
  return { ...stepped, state: { ...stepped.state, tasks: new Map(stepped.state.tasks).set(event.worker, again) } };
};

/** Forgets what was still arriving when a buffer closed. */
const dropsCarried: Machine = (state, event) => {
  const stepped = sound(state, event);
  if (!stepped.effects.some(({ kind }) => kind === "commit")) return stepped;
  const tasks = new Map([...stepped.state.tasks].filter(([, { upload }]) => upload === undefined));
  return { ...stepped, state: { ...stepped.state, tasks } };
};

/** Lets orders stay outstanding for ever. */
const neverExpires: Machine = (state, event) => {
  const tasks = new Map([...state.tasks].map(([id, task]) => [id, { ...task, deadlineAtMs: Infinity }]));
  return sound({ ...state, tasks }, event);
};

/** Leaves a worker that has delivered without another order until the next version. */
const idles: Machine = (state, event) => {
  const stepped = sound(state, event);
  if (event.kind !== "updateArrived" || stepped.state.phase.kind !== "open") return stepped;
  const tasks = new Map(stepped.state.tasks);
  tasks.delete(event.worker);
  const effects = stepped.effects.filter((effect) => effect.kind !== "sendWork" || effect.worker !== event.worker);
  return { state: { ...stepped.state, tasks }, effects };
};

const eager = (pace: NonNullable<RunPlan["pace"]>): RunPlan["pace"] =>
  pace.kind === "buffered" ? { ...pace, size: Math.max(1, pace.size - 1) } : pace;

const boundless = (pace: NonNullable<RunPlan["pace"]>): RunPlan["pace"] =>
  pace.kind === "buffered" ? { ...pace, maxStaleness: undefined } : pace;

export const mutations: readonly Mutation[] = [
  {
    name: "the quorum is not taken again when workers leave",
    pace: "synchronous",
    mutate: (storm) => ({ ...storm, counts: stubborn }),
    complaint: /waits for nobody|still open/,
  },
  {
    name: "a duplicate is counted",
    pace: "synchronous",
    mutate: machine(countsTwice),
    complaint: /accepted twice|was counted twice|still open|in its sums/,
  },
  {
    name: "a round closes before its quorum",
    pace: "synchronous",
    mutate: planned((plan) => ({ ...plan, quorum: { count: 1 } })),
    complaint: /closes with \d+ of \d+ updates/,
  },
  {
    name: "deadlines pass unnoticed",
    pace: "synchronous",
    mutate: machine(deafTo(({ kind }) => kind === "tick")),
    complaint: /past its deadline|woken for nothing|waits for nobody/,
  },
  {
    name: "a departed worker's half-sent update stays in the sums",
    pace: "synchronous",
    mutate: machine(without(({ kind }) => kind === "discard")),
    complaint: /is kept|the sums hold|not empty|in its sums|is forgotten/,
  },
  {
    name: "late updates get no verdict",
    pace: "synchronous",
    mutate: machine(without((effect) => effect.kind === "verdict" && effect.verdict.code === "late")),
    complaint: /lost in silence/,
  },
  {
    name: "late updates are counted where they are to be refused",
    pace: "synchronous",
    mutate: planned((plan) => ({ ...plan, late: "buffer" })),
    complaint: /age 1 is counted, at most 0/,
  },
  {
    name: "late updates weigh as much as fresh ones",
    pace: "synchronous",
    mutate: machine((state, event) => {
      const stepped = sound(state, event);
      const fresh = (effect: RunEffect) => (effect.kind === "receive" ? { ...effect, discount: 1 } : effect);
      return { ...stepped, effects: stepped.effects.map(fresh) };
    }),
    complaint: /weighs 1, not/,
  },
  {
    name: "nobody is told of a round with fewer updates than its quorum asks for",
    pace: "synchronous",
    mutate: machine(without(({ kind }) => kind === "closedShort")),
    complaint: /is short \(\d+ of \d+ updates\) and nobody is told/,
  },
  {
    name: "answers to an evaluation are lost",
    pace: "synchronous",
    mutate: machine(deafTo(({ kind }) => kind === "evaluated")),
    complaint: /counts 0 of \d+ answers/,
  },
  {
    name: "a pause is not heard",
    pace: "synchronous",
    mutate: machine(deafTo(({ kind }) => kind === "pause")),
    complaint: /while the run is paused/,
  },
  {
    name: "the bound on staleness is ignored",
    pace: "buffered",
    mutate: planned((plan) => ({ ...plan, pace: boundless(plan.pace!) })),
    complaint: /leaves w\d+ behind|is counted, at most/,
  },
  {
    name: "a duplicate is counted, buffered",
    pace: "buffered",
    mutate: machine(countsTwice),
    complaint: /accepted twice/,
  },
  {
    name: "an update that is carried over is dropped",
    pace: "buffered",
    mutate: machine(dropsCarried),
    complaint: /is forgotten/,
  },
  {
    name: "an update that is carried over stays in the closed sums",
    pace: "buffered",
    mutate: machine(without((effect, { phase }) => effect.kind === "hold" && phase.kind === "committing")),
    complaint: /the sums hold|folded in twice/,
  },
  {
    name: "a version is made of too few updates",
    pace: "buffered",
    mutate: planned((plan) => ({ ...plan, pace: eager(plan.pace!) })),
    complaint: /made of too few updates|fewer are at work|is ready and has no order/,
  },
  {
    name: "orders never expire",
    pace: "buffered",
    mutate: machine(neverExpires),
    complaint: /past its deadline|did not end/,
  },
  {
    name: "a worker that has delivered gets no next order",
    pace: "buffered",
    mutate: machine(idles),
    complaint: /is ready and has no order|none has an order|fewer are at work/,
  },
];
