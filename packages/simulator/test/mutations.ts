/** Known mistakes, planted through the rules: the proof must find every one of them. */
import { nodeDisk, step, type Decide } from "@weft/coordinator";
import { rightRules, type Rules } from "@weft/simulator";

type Effects = ReturnType<Decide>["effects"];

/** Rules whose decisions are changed in one way. */
const deciding =
  (change: (decided: ReturnType<Decide>, ...about: Parameters<Decide>) => ReturnType<Decide>) => (): Rules => ({
    ...rightRules,
    decide: (state, event) => change(step(state, event), state, event),
  });

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

export const mutations: Readonly<Record<string, () => Rules>> = {
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
