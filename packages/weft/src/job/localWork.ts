/** Training on the workers between two versions: how long, by which optimiser, and what holds their models together. */
import type { Optimizer } from "@weft/optim";
import type { JobRound, JobWeighting, LocalJobWork } from "@weft/protocol";
import { JobError } from "../errors.ts";
import { checkKnobs } from "./checkRound.ts";

/** How long a worker trains before it sends: passes over its examples, or steps of one batch each. */
export type LocalLength =
  { readonly epochs: number; readonly steps?: undefined } | { readonly steps: number; readonly epochs?: undefined };

export type LocalKnobs = LocalLength & {
  readonly batchSize: number;
  readonly optimizer: Optimizer;
  /**
   * Go on with the optimiser's state of the round before, kept by the worker; default a fresh one each round. For workers that
   * take part in every round, as in DiLoCo; a state that is many rounds old misleads.
   */
  readonly keepOptimizer?: boolean;
  /**
   * μ of a pull towards the version a round began with (FedProx, Li et al. 2020): for workers whose data differ or that do
   * very different amounts of work. 0.001 to 1 in the paper; 0 is FedAvg.
   */
  readonly proximal?: number;
  /** `scaffold()` or `fedDyn(…)`: for workers whose data differ so much that their models part. */
  readonly correction?: LocalJobWork["correction"];
  /**
   * Each round brings in one of so many fragments of the model, in turn, and workers go on from values of their own for the others: a round
   * costs as many times fewer bytes. See `diloco`.
   */
  readonly streaming?: StreamingKnobs;
};

/** Fragments are runs of neighbouring parameters of about equal size. */
export interface StreamingKnobs {
  readonly fragments: number;
  /** α of the paper: how much of its own values of a fragment a worker keeps when the merged ones come; default 0. */
  readonly mixing?: number;
}

/**
 * SCAFFOLD (Karimireddy et al. 2020, option II): every worker learns how its gradients differ from everyone's, and takes that off.
 * Of use where data differ much and the same workers come back; twice the bytes, and the worker keeps a vector of the model's size.
 * Local training by plain sgd.
 */
export const scaffold = (): LocalJobWork["correction"] => ({ kind: "scaffold" });

/**
 * FedDyn (Acar et al. 2021): each worker's objective is bent, with strength `alpha`, until its optimum is everyone's. As SCAFFOLD, but for
 * the bytes of FedAvg; the paper takes alpha 0.1 or 0.01. The server is sgd({ learningRate: 1 }).
 */
export const fedDyn = ({ alpha }: { readonly alpha: number }): LocalJobWork["correction"] => ({
  kind: "feddyn",
  alpha,
});

/**
 * FedNova (Wang et al. 2020): changes are made comparable by the steps behind them. Of use where workers have very different numbers of
 * examples and train for epochs: FedAvg would lean towards those that make many steps. Local training by sgd.
 */
export const normalized = (): JobWeighting => ({ kind: "normalized" });

/**
 * q-FedAvg (Li et al. 2020): workers whose loss is high weigh more, by its power `q`, so that the model serves all of them alike; q = 0 is
 * FedAvg with equal weights. `lipschitz` bounds the step; the paper takes 1 / the local learning rate.
 */
export const fair = (options: { readonly q: number; readonly lipschitz: number }): JobWeighting => ({
  kind: "fair",
  ...options,
});

const localKnobs: Readonly<Record<keyof LocalKnobs, true>> = {
  epochs: true,
  steps: true,
  batchSize: true,
  optimizer: true,
  keepOptimizer: true,
  proximal: true,
  correction: true,
  streaming: true,
};

/** @throws {JobError} for what is no knob of local work, or lacks one */
export function localWork(knobs: LocalKnobs): LocalJobWork {
  if (typeof knobs !== "object") throw new JobError(`local is missing; ${localForm}`);
  checkKnobs("local", knobs, localKnobs);
  const { epochs, steps, proximal, keepOptimizer, correction, streaming, ...local } = knobs;
  return {
    kind: "local",
    ...(epochs === undefined ? {} : { epochs }),
    ...(steps === undefined ? {} : { steps }),
    batchSize: local.batchSize,
    optimizer: specOf(local.optimizer, "local.optimizer"),
    ...(keepOptimizer === true ? { keepOptimizer } : {}),
    ...(proximal === undefined || proximal === 0 ? {} : { proximal }),
    ...(correction === undefined ? {} : { correction }),
    ...(streaming === undefined ? {} : { streaming: { ...streaming } }),
  };
}

const localForm = "expected local: { epochs, batchSize, optimizer } or { steps, batchSize, optimizer }";

/**
 * A specification is plain JSON data: the form in which optimisers travel.
 *
 * @param knob where it stands
 * @throws {JobError} where there is no optimiser
 */
export function specOf(optimizer: Optimizer | undefined, knob: string): JobRound["server"] {
  if (typeof optimizer?.spec === "object") return { ...optimizer.spec } as unknown as JobRound["server"];
  const got = optimizer === undefined ? "missing" : typeof optimizer === "string" ? JSON.stringify(optimizer) : "none";
  throw new JobError(`${knob} is ${got}; expected an optimiser, such as sgd({ learningRate: 0.1 })`);
}
