/**
 * DiLoCo (Douillard et al. 2023) and its streaming form (Douillard et al. 2025) on the small GPT, from the first step on: the loss they end
 * with, and the bytes they took, beside data-parallel training of as many steps on as many tokens.
 */
import { mobyDick, partitionIid } from "@weft/data";
import { adamw, sgd, warmupCosine } from "@weft/optim";
import { dataParallel, diloco as dilocoRound, type JobDefinition } from "weft";
import { gptJob, context } from "../../../examples/gpt/job.ts";
import type { Figure } from "../figure.ts";
import { contest } from "./contest.ts";

const workers = 2;
const batchSize = 6;
/** H: steps between two times that a parameter is brought in. */
const stepsOfTurn = 20;
/** The paper's momentum of 0.9 is for hundreds of rounds; over these it still carries the model away when the inner rate has come down. */
const server = sgd({ learningRate: 0.7, momentum: 0.7, nesterov: true });
/** Outer gradients in 4 bits, as in the second paper. */
const codec = { up: "int4", down: "int8" } as const;
const fragments = 4;

/** @param steps of the inner optimiser, in all arms */
export async function* diloco({ steps }: { readonly steps: number }): AsyncIterable<Figure> {
  const { definition } = gptJob(await mobyDick({ window: context }), { steps });
  const optimizer = adamw({
    learningRate: warmupCosine({ peak: 2e-3, warmup: Math.ceil(steps / 20), steps }),
    beta2: 0.99,
  });
  /** Measured once, when it is over, on all of the text that is held out: 119 thousand characters. */
  const run = async (name: string, rounds: number, changes: (evaluation: Evaluation) => Changes): Promise<Outcome> => {
    const points = await contest({
      name,
      definition: { ...definition, ...changes({ on: "coordinator", every: rounds }), stop: { rounds } },
      workers,
      partition: ({ size }, of) => partitionIid(size, of, 0),
    });
    const last = points.at(-1);
    return { loss: last?.metrics["loss"] ?? NaN, megabytes: last?.megabytes ?? NaN };
  };
  const local = { batchSize, optimizer, server };
  const everyStep = await run("data-parallel", steps, (evaluation) => ({
    round: dataParallel({ batchSize: workers * batchSize, optimizer, evaluation }),
  }));
  const turns = Math.floor(steps / stepsOfTurn);
  const rarely = await run("diloco", turns, (evaluation) => ({
    round: dilocoRound({ ...local, steps: stepsOfTurn, evaluation }),
    codec,
  }));
  yield* compared(`diloco: the GPT after ${steps} steps, H = ${stepsOfTurn}`, rarely, everyStep);
  const streamed = await run("streaming diloco", turns * fragments, (evaluation) => ({
    round: dilocoRound({ ...local, steps: stepsOfTurn / fragments, streaming: { fragments }, evaluation }),
    codec,
  }));
  yield* compared(`diloco, streaming ${fragments} fragments, H = ${stepsOfTurn}`, streamed, everyStep);
}

type Changes = Pick<JobDefinition, "round" | "codec">;
type Evaluation = { readonly on: "coordinator"; readonly every: number };

interface Outcome {
  readonly loss: number;
  readonly megabytes: number;
}

function* compared(name: string, ours: Outcome, everyStep: Outcome): Iterable<Figure> {
  yield {
    name: `algorithms ${name}: loss`,
    value: ours.loss,
    unit: "nats per character",
    vs: `data-parallel beside it, ${everyStep.loss.toFixed(4)}`,
    ratio: everyStep.loss / ours.loss,
  };
  yield {
    name: `algorithms ${name}: bytes, both directions`,
    value: ours.megabytes,
    unit: "MB",
    vs: `data-parallel beside it, ${everyStep.megabytes.toFixed(0)} MB`,
    ratio: everyStep.megabytes / ours.megabytes,
  };
}
