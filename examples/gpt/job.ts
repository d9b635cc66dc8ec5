/** A small GPT (Radford et al. 2019): four blocks of attention that predict the next character of a novel. */
import type { TextSource } from "@weft/data";
import { mobyDick } from "@weft/data";
import {
  dense,
  embedding,
  layerNorm,
  normal,
  positionalEmbedding,
  sequential,
  softmaxCrossEntropy,
  times,
  transformerBlock,
} from "@weft/nn";
import { adamw, warmupCosine } from "@weft/optim";
import { dataParallel, defineJob } from "weft";

/** Characters that it sees at once. */
export const context = 64;

/** Weights begin small, as in GPT-2. */
const initializer = normal({ std: 0.02 });

/** The job for a text, read in windows of `context` characters. */
export const gptJob = (text: TextSource, { steps }: { readonly steps: number }) =>
  defineJob({
    name: "gpt",
    data: text,
    model: sequential(
      embedding({ vocabulary: text.tokenizer.vocabulary, features: 128, initializer }),
      positionalEmbedding({ length: context }),
      ...times(4, () => transformerBlock({ heads: 4, causal: true, kernelInitializer: initializer })),
      layerNorm(),
      dense({ features: text.tokenizer.vocabulary }),
    ),
    loss: softmaxCrossEntropy,
    round: dataParallel({
      batchSize: 12,
      optimizer: adamw({
        learningRate: warmupCosine({ peak: 2e-3, warmup: Math.ceil(steps / 20), steps }),
        beta2: 0.99,
      }),
    }),
    stop: { rounds: steps },
  });

export default gptJob(await mobyDick({ window: context }), { steps: 1000 });
