/** The knobs of a round: data-parallel training, federated averaging and their asynchronous forms differ only here. */
import * as z from "zod";
import { optimizerSchema } from "./optimizerSetting.ts";

const fraction = z.number().positive().max(1);
const count = z.int().positive();

const workersSchema = z.union([z.strictObject({ fraction }), z.strictObject({ count })]);

/** What keeps workers from drifting apart while they train on different data; each has a part of it to itself. */
const correctionSchema = z.discriminatedUnion("kind", [
  /** Control variates, option II (Karimireddy et al. 2020, SCAFFOLD). */
  z.strictObject({ kind: z.literal("scaffold") }),
  /** A regulariser that follows each worker's own gradient, of strength `alpha` (Acar et al. 2021, FedDyn). */
  z.strictObject({ kind: z.literal("feddyn"), alpha: z.number().positive() }),
]);

/** Every round brings in one part of the model, in turn; meanwhile workers go on with their own values of the others (Streaming DiLoCo). */
const streamingSchema = z.strictObject({
  /** Parts of neighbouring parameters, of about equal size: each is brought in every so many rounds. */
  fragments: count.max(10_000),
  /** α: how much of its own values of a part a worker keeps when the merged ones come; default 0. */
  mixing: z.number().nonnegative().lt(1).optional(),
});

/** What a worker does in one round. `batchSize` of gradient work is the whole round's, split over its cohort. */
const workSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("gradient"),
    batchSize: count,
    /** Examples that a worker looks at once; it adds up the gradients of as many such parts as its share takes. */
    microBatch: count.optional(),
  }),
  z.strictObject({
    kind: z.literal("local"),
    /** Passes over the worker's share, or steps of one batch each: one of the two. */
    epochs: count.optional(),
    steps: count.optional(),
    batchSize: count,
    optimizer: optimizerSchema,
    /** The worker goes on with its optimiser's state of the round before. */
    keepOptimizer: z.boolean().optional(),
    /** μ of a pull towards the base, μ/2 · ‖w − base‖² added to the loss (Li et al. 2020, FedProx). */
    proximal: z.number().positive().optional(),
    correction: correctionSchema.optional(),
    streaming: streamingSchema.optional(),
  }),
]);

/** What an update weighs beside the others of its round. */
const weightingSchema = z.union([
  z.enum(["examples", "uniform"]),
  /** By examples, each change divided by the steps it took and the mean multiplied by theirs (Wang et al. 2020, FedNova). */
  z.strictObject({ kind: z.literal("normalized") }),
  /** Workers that do badly weigh more: their loss to the power q, by `lipschitz` bounding the step (Li et al. 2020, q-FedAvg). */
  z.strictObject({ kind: z.literal("fair"), q: z.number().nonnegative().max(100), lipschitz: z.number().positive() }),
]);

/** How the updates of a round become one. */
const combineSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("mean") }),
  /** Element by element the middle one (Yin et al. 2018): a minority of any updates whatever cannot move it far. */
  z.strictObject({ kind: z.literal("median") }),
  /** Element by element, without this fraction of the least and of the greatest (Yin et al. 2018). */
  z.strictObject({ kind: z.literal("trimmedMean"), fraction: z.number().positive().lt(0.5) }),
]);

/** s(τ), the weight of an update made τ versions ago: 1, or (1 + τ)^-exponent (Xie et al. 2019). */
const stalenessSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant") }),
  z.strictObject({ kind: z.literal("polynomial"), exponent: z.number().positive().max(10) }),
]);

/** What makes a version. */
const paceSchema = z.discriminatedUnion("kind", [
  /** A cohort's updates on one base, closed by quorum or deadline. */
  z.strictObject({ kind: z.literal("synchronous") }),
  /** Every `size` updates, whatever their base (FedBuff, Nguyen et al. 2022); of size 1 it is asynchronous SGD. */
  z.strictObject({
    kind: z.literal("buffered"),
    size: count.max(65_536),
    /** No version is made that puts a worker still computing more than this far behind (Ho et al. 2013). */
    maxStaleness: z.int().nonnegative().optional(),
    staleness: stalenessSchema,
  }),
]);

/** How a cohort smaller than everyone is drawn. */
const selection = {
  /** Default "uniform". */
  sampling: z.enum(["uniform", "examples", "availability", "loss", "speed"]).optional(),
  /** Nobody is invited more than `maxShare` times its fair share, nor left out for more than `maxWait` rounds. */
  fairness: z.strictObject({ maxShare: z.number().min(1).max(1000), maxWait: count }).optional(),
  /** So many times more are invited than are needed; the quorum is taken of the number needed (Bonawitz et al. 2019). */
  overSelect: z.number().min(1).max(10).optional(),
};

const cohortSchema = z.union([z.strictObject({ fraction, ...selection }), z.strictObject({ count, ...selection })]);

/** A number of milliseconds; or learnt from recent rounds: median + `deviations` · MAD ("adaptive": 10 of them). */
const deadlineSchema = z.union([
  count,
  z.literal("adaptive"),
  z.strictObject({ deviations: z.number().positive().max(1000) }),
]);

/** When versions are measured on examples that nobody trains on. */
const evaluationSchema = z.discriminatedUnion("on", [
  z.strictObject({ on: z.literal("coordinator"), every: count }),
  z.strictObject({
    on: z.literal("workers"),
    every: count,
    /** Share of each worker's examples held out for it; without it workers bring test sets of their own. */
    heldOut: z.number().positive().lt(1).optional(),
    /** Default everyone. */
    cohort: workersSchema.optional(),
    /** Answers that end it, of those asked; default all. */
    quorum: workersSchema.optional(),
    /** Default 60,000. */
    deadlineMs: count.optional(),
  }),
]);

export const roundSchema = z.strictObject({
  work: workSchema,
  /** Default synchronous. */
  pace: paceSchema.optional(),
  /** Workers invited to a round, of those connected; in a buffered pace, those at work at once. */
  cohort: cohortSchema,
  /** Updates that close it, of those invited; where fewer can come, all of these. */
  quorum: workersSchema,
  deadlineMs: deadlineSchema,
  /** An update that misses its round: refused (default), or counted in the next one with the weight of staleness 1. */
  late: z.enum(["refuse", "buffer"]).optional(),
  /** How the batch of gradient work is divided, or how many local steps each makes: equally (default), or by the speed measured of each worker. */
  balance: z.enum(["equal", "speed"]).optional(),
  weighting: weightingSchema,
  /** Default the mean. */
  combine: combineSchema.optional(),
  /** Steps the model with the mean gradient, or with base − mean of local results as its gradient. */
  server: optimizerSchema,
  /** Largest L2 norm of an accepted update; also fixes the grid of exact sums. */
  normBound: z.number().positive(),
  evaluation: evaluationSchema.optional(),
});

export type JobRound = z.infer<typeof roundSchema>;
export type JobWork = JobRound["work"];
export type LocalJobWork = Extract<JobWork, { kind: "local" }>;
export type JobCombine = NonNullable<JobRound["combine"]>;
export type JobWeighting = JobRound["weighting"];
export type JobPace = NonNullable<JobRound["pace"]>;
export type JobEvaluation = NonNullable<JobRound["evaluation"]>;
export type StalenessRule = z.infer<typeof stalenessSchema>;
export type DeadlineRule = z.infer<typeof deadlineSchema>;
export type WorkerShare = z.infer<typeof workersSchema>;
export type CohortRule = z.infer<typeof cohortSchema>;
