/** The work of an order, apart from who asked for it: from a base and the worker's examples to what its update holds. */
import { shuffledSlice } from "@weft/data";
import { localAnswer } from "./localAnswer.ts";
import type { Answer, ExampleAccess, OrderContext, TrainingOrder } from "./order.ts";
import type { ExampleRows, Trainer } from "./training.ts";

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
