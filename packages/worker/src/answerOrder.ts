/** The work of an order, apart from who asked for it: from a base and the worker's examples to what its update holds. */
import { shuffledSlice } from "@weft/data";
import type { UpdateFigures, WorkOrder } from "@weft/protocol";
import { localAnswer } from "./localAnswer.ts";
import type { LocalState, StateVectors } from "./localState.ts";
import type { ExampleRows, ExampleSums, Trainer } from "./training.ts";

/** An order that asks for an update. */
export type TrainingOrder = Exclude<WorkOrder, { readonly kind: "evaluate" }>;

/** Where a worker's examples come from. */
export interface ExampleAccess {
  /** Of the coordinator's set, by index. */
  served(indices: Uint32Array): Promise<ExampleRows>;
  /** What the worker brought, or its part of the coordinator's set, without what it holds out. */
  share(): Promise<ExampleRows>;
}

export interface OrderContext {
  /** As it travelled. */
  readonly base: Float32Array;
  /** What the worker kept of earlier rounds; by default nothing. */
  readonly state?: Pick<LocalState, "read">;
  readonly examples: ExampleAccess;
  /** Told how many steps there will be; what it gives is called after each of them, and throws to give up. */
  readonly begin?: (work: { readonly steps: number; readonly batch: number }) => () => void | Promise<void>;
}

/** What an update is made of, before it is encoded. */
export interface Answer extends ExampleSums {
  /** One after the other on the wire. */
  readonly vectors: readonly Float32Array[];
  readonly figures?: UpdateFigures;
  /** To be staged: what is kept for later rounds if this update counts. */
  readonly kept: StateVectors;
}

/** @throws {OrderDeclinedError} for an order that does not belong to the job */
export async function answerOrder(trainer: Trainer, order: TrainingOrder, context: OrderContext): Promise<Answer> {
  const { base, examples } = context;
  if (order.kind === "gradient") {
    const rows = await chosenExamples(trainer, order.examples, examples);
    const { gradient, ...sums } = await trainer.gradient(base, rows, order.seed);
    return { ...sums, vectors: [gradient], kept: {} };
  }
  return localAnswer(trainer, order, context);
}

async function chosenExamples(
  { job }: Trainer,
  choice: Extract<TrainingOrder, { kind: "gradient" }>["examples"],
  examples: ExampleAccess,
): Promise<ExampleRows> {
  if (choice.kind === "slice") {
    return examples.served(shuffledSlice(job.document.examples, choice.seed, choice));
  }
  const { dataset, rows } = await examples.share();
  const start = choice.position % rows.length;
  const count = Math.min(choice.count, rows.length - start);
  const epoch = Math.floor(choice.position / rows.length);
  const picked = shuffledSlice(rows.length, choice.seed, { epoch, start, count });
  return { dataset, rows: picked.map((i) => rows[i] ?? 0) };
}
