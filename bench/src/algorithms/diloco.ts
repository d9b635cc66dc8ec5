/** DiLoCo on the small GPT: the loss it ends with, and the bytes it took, beside data-parallel training of as many steps. */
import { mobyDick, partitionIid } from "@weft/data";
import { adamw, warmupCosine } from "@weft/optim";
import { dataParallel, diloco as dilocoRound, type JobDefinition } from "weft";
import { gptJob, context } from "../../../examples/gpt/job.ts";
import type { Figure } from "../figure.ts";
import { contest, type Point } from "./contest.ts";

const workers = 2;
const batchSize = 6;
const stepsOfRound = 50;

/** @param steps of the inner optimiser, in both */
export async function* diloco({ steps }: { readonly steps: number }): AsyncIterable<Figure> {
  const { definition } = gptJob(await mobyDick({ window: context }), { steps });
  const optimizer = adamw({
    learningRate: warmupCosine({ peak: 2e-3, warmup: Math.ceil(steps / 20), steps }),
    beta2: 0.99,
  });
  const run = (name: string, changes: Pick<JobDefinition, "round" | "stop">) =>
    contest({
      name,
      definition: { ...definition, ...changes },
      workers,
      partition: ({ size }, of) => partitionIid(size, of, 0),
    });
  const everyStep = final(
    await run("data-parallel", {
      round: dataParallel({
        batchSize: workers * batchSize,
        optimizer,
        evaluation: { on: "coordinator", every: steps },
      }),
      stop: { rounds: steps },
    }),
  );
  const rounds = Math.floor(steps / stepsOfRound);
  const rarely = final(
    await run("diloco", {
      round: dilocoRound({ steps: stepsOfRound, batchSize, optimizer, evaluation: { on: "coordinator", every: 1 } }),
      stop: { rounds },
    }),
  );
  const fewer = everyStep.megabytes / rarely.megabytes;
  yield {
    name: `algorithms diloco: loss of the GPT after ${steps} steps, H = ${stepsOfRound}`,
    value: rarely.loss,
    unit: "nats per character",
    vs: `data-parallel beside it, ${everyStep.loss.toFixed(4)}`,
    ratio: everyStep.loss / rarely.loss,
  };
  yield {
    name: "algorithms diloco: bytes, both directions",
    value: rarely.megabytes,
    unit: "MB",
    vs: `data-parallel beside it, ${everyStep.megabytes.toFixed(0)} MB`,
    ratio: fewer,
  };
}

function final(points: readonly Point[]): { readonly loss: number; readonly megabytes: number } {
  const last = points.at(-1);
  return { loss: last?.metrics["loss"] ?? NaN, megabytes: last?.megabytes ?? NaN };
}
