/** Known mistakes, planted through the rules: the proof must find every one of them. */
import { nodeDisk, step, type Decide } from "@weft/coordinator";
import type { CoordinatorMessage } from "@weft/protocol";
import { rightRules, type Rules, type Schedule } from "@weft/simulator";
import { decodeSafetensors, encodeSafetensors } from "@weft/vector";

export interface Mutation {
  readonly rules: () => Rules;
  /** Schedules in which it can be noticed at all; any by default. */
  readonly where?: (schedule: Schedule) => boolean;
}

type Effects = ReturnType<Decide>["effects"];

/** Rules whose decisions are changed in one way. */
const deciding =
  (change: (decided: ReturnType<Decide>, ...about: Parameters<Decide>) => ReturnType<Decide>) => (): Rules => ({
    ...rightRules,
    decide: (state, event) => change(step(state, event), state, event),
  });

/** Messages that workers get changed in one way. */
const telling = (receives: Rules["receives"]) => (): Rules => ({ ...rightRules, receives });

const streams = ({ job: { round } }: Schedule) => round.work.kind === "local" && round.work.streaming !== undefined;
const owing: readonly string[] = ["int2", "sign", "topK", "randomK", "lowRank"];
const owes = ({ job }: Schedule) => owing.includes(job.codec.up.kind);
/** Whether a worker comes back with what it kept, after its process was killed or left. */
const comesBack = ({ faults, workers }: Schedule) =>
  faults.some(
    (fault) =>
      (fault.fault === "killed" || fault.fault === "leaves") &&
      fault.backAfterMs !== undefined &&
      workers[fault.worker]?.keepsState === true,
  );

/** Without the vectors of these names. */
function lost(state: Uint8Array, isLost: (name: string) => boolean): Uint8Array {
  const { tensors, metadata } = decodeSafetensors(state);
  return encodeSafetensors(
    [...tensors.values()].filter(({ name }) => !isLost(name)),
    metadata,
  );
}

const without = (effects: Effects, kind: Effects[number]["kind"]): Effects =>
  effects.filter((effect) => effect.kind !== kind);

/** Refusals of this kind are forgotten: the update is folded in. */
const folding = (code: string) =>
  deciding((decided, _, event) => {
    const refused = decided.effects.some((effect) => effect.kind === "verdict" && effect.verdict.code === code);
    if (event.kind !== "updateBegun" || !refused) return decided;
    const kept = decided.effects.filter((effect) => effect.kind !== "discard" && effect.kind !== "verdict");
    const order = { kind: "local", epochs: 1, batchSize: 1, seed: 1 } as const;
    return { ...decided, effects: [...kept, { kind: "receive", upload: event.upload, order, discount: 1 }] };
  });

const ofRules: Readonly<Record<string, () => Rules>> = {
  "a departure does not move the quorum": () => ({
    ...rightRules,
    decide: (state, event) =>
      step(state, event, { counts: (_, round, worker) => round.members.get(worker)?.status !== "refused" }),
  }),

  "an update that was counted is folded in again": folding("duplicate"),

  "an update for a closed round is folded in": folding("late"),

  "an upload that broke off stays in the sums": deciding((decided, _, event) =>
    event.kind === "disconnected" || event.kind === "updateBroken" || event.kind === "left"
      ? { ...decided, effects: without(decided.effects, "discard") }
      : decided,
  ),

  "an invalid update is counted": () => ({
    ...rightRules,
    decide: (state, event) => step(state, event.kind === "updateInvalid" ? { ...event, kind: "updateArrived" } : event),
  }),

  "nobody wakes the run at a deadline": deciding((decided) => ({
    ...decided,
    effects: without(decided.effects, "wake"),
  })),

  "a round closes one update before its quorum": () => ({
    ...rightRules,
    decide: (state, event) => {
      const { quorum } = state.plan;
      const lower = "count" in quorum ? { count: Math.max(1, quorum.count - 1) } : { fraction: quorum.fraction / 2 };
      const decided = step({ ...state, plan: { ...state.plan, quorum: lower } }, event);
      return { ...decided, state: { ...decided.state, plan: state.plan } };
    },
  }),

  "the newest commit is lost in a restart": () => {
    let behind: { readonly database: unknown; readonly write: () => void } | undefined;
    return {
      ...rightRules,
      disk: {
        ...nodeDisk,
        // Writes the transaction before this one: what a process has not written when it dies is gone.
        transaction(database, work) {
          if (behind?.database === database) behind.write();
          behind = {
            database,
            write: () => {
              nodeDisk.transaction(database, work);
            },
          };
          // The first transaction of a process begins the run, and reads follow it.
          if (database.prepare("SELECT count(*) AS n FROM rounds").get()?.["n"] === 0) {
            behind.write();
            behind = undefined;
          }
        },
      },
    };
  },
};

const inPlace: Readonly<Record<string, Mutation>> = {
  "what a codec owes of a fragment is lost with a worker's process": {
    where: (schedule) => streams(schedule) && owes(schedule) && comesBack(schedule),
    rules: () => ({
      ...rightRules,
      restores: (state) => lost(state, (name) => /codec\.(residual|basis)\.[1-9]/.test(name)),
    }),
  },

  "a worker that comes back is not told which of its updates counted": {
    where: owes,
    rules: telling((message) => (message.kind === "welcome" ? { ...message, counted: [] } : message)),
  },

  "what a refused update left behind is kept": {
    where: (schedule) => owes(schedule) || streams(schedule),
    rules: telling((message) =>
      message.kind === "verdict" && !message.accepted ? { ...message, accepted: true } : message,
    ),
  },

  "a round brings in the fragment after its own when the coordinator has come back": {
    where: (schedule) => streams(schedule) && schedule.stored,
    rules: () => ({
      ...rightRules,
      receives: (message, restarts) =>
        message.kind === "work" && restarts > 0 ? { ...message, round: message.round + 1 } : message,
      sends: (message, restarts) =>
        message.kind === "update" && restarts > 0 ? { ...message, round: message.round - 1 } : message,
    }),
  },

  "a version comes as the difference from the one before that which it names": {
    where: ({ job }) => job.codec.down.kind !== "f32" && job.rounds > 2,
    rules: telling((message) =>
      message.kind === "weights" && message.delta !== undefined
        ? { ...message, delta: { ...message.delta, from: message.delta.from - 1 } }
        : message,
    ),
  },

  "an order on an older version names the newest": {
    where: ({ job: { round } }) => round.late === "buffer" || round.pace?.kind === "buffered",
    rules: () => {
      let newest: Extract<CoordinatorMessage, { kind: "weights" }> | undefined;
      return {
        ...rightRules,
        receives(message) {
          if (message.kind === "weights") newest = message;
          const isOlder = message.kind === "work" && newest !== undefined && message.version < newest.version;
          return isOlder ? { ...message, versionHash: newest!.hash } : message;
        },
      };
    },
  },

  "an old update counts in full": {
    where: ({ job: { round } }) => round.late === "buffer" || round.pace?.kind === "buffered",
    rules: deciding((decided) => ({
      ...decided,
      effects: decided.effects.map((effect) => (effect.kind === "receive" ? { ...effect, discount: 1 } : effect)),
    })),
  },

  "a learning rate that an operator set is not stored": {
    where: ({ stored, faults }) => stored && faults.some(({ fault }) => fault === "rules change"),
    rules: deciding((decided) => ({
      ...decided,
      effects: without(decided.effects, "changed").map((effect) =>
        effect.kind === "commit" ? { ...effect, progress: { ...effect.progress, changes: undefined } } : effect,
      ),
    })),
  },

  "a worker measures another version than it was asked to": {
    where: ({ job: { round } }) => round.evaluation?.on === "workers",
    rules: () => ({
      ...rightRules,
      sends: (message) =>
        message.kind === "evaluated" ? { ...message, metrics: { loss: 1.03125 * message.weight } } : message,
    }),
  },
};

export const mutations: Readonly<Record<string, Mutation>> = {
  ...Object.fromEntries(Object.entries(ofRules).map(([name, rules]) => [name, { rules }] as const)),
  ...inPlace,
};
