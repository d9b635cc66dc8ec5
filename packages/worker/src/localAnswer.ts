/** An order of local training, carried out: the shared and the worker's own parameters, its corrections and its optimiser. */
import { effortOf, type LocalJobWork, type UpdateFigures } from "@weft/protocol";
import { selectDataset } from "@weft/data";
import { correctionOf } from "./correction.ts";
import { OrderDeclinedError } from "./errors.ts";
import type { StateVectors } from "./localState.ts";
import type { Answer, OrderContext, TrainingOrder } from "./order.ts";
import { streamedRound } from "./streaming.ts";
import { hasOwn, ownVector, sharedVector, wholeVector } from "./sharedVector.ts";
import type { ExampleRows, LocalResult, Trainer } from "./training.ts";

type LocalOrder = Extract<TrainingOrder, { kind: "local" }>;
type Read = (name: string) => Float32Array | undefined;

/** Names in a worker's state. */
const own = "own";
const optimizerState = (part: number) => `optimizer.${part}`;

export async function localAnswer(trainer: Trainer, order: LocalOrder, context: OrderContext): Promise<Answer> {
  const { base: travelled, round, state, begin, examples, room } = context;
  const { job } = trainer;
  const { work } = job.document.round;
  if (work.kind !== "local") throw new OrderDeclinedError("not-in-job", "the job has no local training");
  const read: Read = (name) => state?.read(name);
  const share = await examples.share();
  const steps = order.steps ?? (order.epochs ?? 0) * Math.ceil(share.rows.length / order.batchSize);
  const onStep = begin?.({ steps, batch: Math.min(order.batchSize, share.rows.length) });
  const streamed = streamedRound(job, work, { travelled, round, read });
  const base = await wholeModel(trainer, streamed.start, read);
  const correction = correctionOf(work, job, { travelled, read });
  const trained = await trainer.train(base, share, {
    ...order,
    optimizer: work.optimizer,
    correction: correction.gradient,
    room,
    ...(work.keepOptimizer === true ? { optimizerState: keptParts(read) } : {}),
    ...(onStep === undefined ? {} : { onStep }),
  });
  const { kept, controlChange } = correction.after(trained);
  const left = streamed.end(sharedVector(job, trained.change, controlChange));
  const { vector, figures } = await weighted(trainer, left.vector, { work, steps: trained.steps, base, share });
  return {
    weight: trained.weight,
    metrics: trained.metrics,
    vectors: [vector],
    ...(figures === undefined ? {} : { figures }),
    kept: { ...kept, ...left.kept, ...(await leftBehind(trainer, trained, { base, work })) },
  };
}

/** All parameters of a version: the worker's own are as its last counted update left them, or as the job begins them. */
export async function wholeModel(
  trainer: Trainer,
  travelled: Float32Array,
  read: Read = () => undefined,
): Promise<Float32Array> {
  const { job } = trainer;
  if (!hasOwn(job)) return wholeVector(job, travelled);
  const begun = read(own) ?? ownVector(job, await trainer.initialize(job.document.seed));
  return wholeVector(job, travelled, begun);
}

/** The worker's own parameters and its optimiser's state, after the round. */
async function leftBehind(
  { job }: Trainer,
  trained: LocalResult,
  { base, work }: { readonly base: Float32Array; readonly work: LocalJobWork },
): Promise<StateVectors> {
  const state = work.keepOptimizer === true ? await trained.optimizerState() : [];
  const parts = state.map((values, part) => [optimizerState(part), values] as const);
  if (!hasOwn(job)) return Object.fromEntries(parts);
  const result = base.map((value, i) => value - (trained.change[i] ?? 0));
  return { ...Object.fromEntries(parts), [own]: ownVector(job, result) };
}

function keptParts(read: Read): Float32Array[] {
  const parts: Float32Array[] = [];
  for (let values = read(optimizerState(0)); values !== undefined; values = read(optimizerState(parts.length))) {
    parts.push(values);
  }
  return parts;
}

interface Weighed {
  readonly work: LocalJobWork;
  readonly steps: number;
  readonly base: Float32Array;
  readonly share: ExampleRows;
}

/** FedNova divides a change by its effort; q-FedAvg multiplies it by a power of the base's loss on the worker's examples. */
async function weighted(
  trainer: Trainer,
  change: Float32Array,
  { work, steps, base, share }: Weighed,
): Promise<{ readonly vector: Float32Array; readonly figures?: UpdateFigures }> {
  const { weighting } = trainer.job.document.round;
  if (typeof weighting === "string") return { vector: change };
  if (weighting.kind === "normalized") {
    const effort = effortOf(work, steps);
    return { vector: change.map((value) => value / effort), figures: { steps } };
  }
  const { q, lipschitz } = weighting;
  if (q === 0) return { vector: change, figures: { curvature: 1 } };
  const { loss = NaN } = await trainer.evaluate(base, selectDataset(share.dataset, share.rows));
  if (!(loss > 0)) {
    throw new OrderDeclinedError(
      "loss",
      `the fair weighting takes a power of the loss, which is ${loss}; use a loss above 0`,
    );
  }
  const squaredNorm = change.reduce((sum, value) => sum + value * value, 0);
  // h / L = q F^(q−1) L ‖w − w̄‖² + F^q (Li et al. 2020, algorithm 2, both sides divided by L).
  const curvature = q * loss ** (q - 1) * lipschitz * squaredNorm + loss ** q;
  return { vector: change.map((value) => value * loss ** q), figures: { curvature } };
}
