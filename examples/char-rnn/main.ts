/** A character RNN (Elman 1990) and an LSTM (Hochreiter and Schmidhuber 1997) read the same novel; both then write. */
import { parseArgs } from "node:util";
import type { TextSource } from "@weft/data";
import { mobyDick, textFile } from "@weft/data";
import type { Layer } from "@weft/nn";
import { dense, embedding, lstm, normal, rnn, sequential, softmaxCrossEntropy } from "@weft/nn";
import { adam, clipByGlobalNorm } from "@weft/optim";
import { dataParallel, defineJob, fit } from "weft";
import { bigramLoss } from "../shared/bigramLoss.ts";
import { mustReach } from "../shared/goal.ts";
import type { Point } from "../shared/plot.ts";
import { plot } from "../shared/plot.ts";
import { saveFile } from "../shared/saveFile.ts";
import { wrapped } from "../shared/wrapped.ts";
import { writeText } from "../shared/writeText.ts";

const { values: options } = parseArgs({
  options: {
    text: { type: "string" },
    steps: { type: "string", default: "1000" },
    prompt: { type: "string", default: "The " },
  },
});
const window = 64; // characters through which the gradient flows back
const text = await (options.text ? textFile(options.text, { window }) : mobyDick({ window }));
const { vocabulary } = text.tokenizer;

const modelOf = (memory: Layer) =>
  sequential(
    embedding({ vocabulary, features: 32, initializer: normal({ std: 0.5 }) }),
    memory,
    dense({ features: vocabulary }),
  );

async function readAndWrite(name: string, memory: Layer, text: TextSource) {
  const model = modelOf(memory);
  const job = defineJob({
    name,
    data: text,
    model,
    loss: softmaxCrossEntropy,
    round: dataParallel({
      batchSize: 32,
      // Gradients through time can explode (Pascanu et al. 2013).
      optimizer: clipByGlobalNorm(adam({ learningRate: 8e-3 }), { maxNorm: 1 }),
    }),
    stop: { rounds: Number(options.steps) },
  });
  const points: Point[] = [];
  let recent = NaN;
  const run = await fit(job, {
    callbacks: [
      {
        onBatch({ step, loss }) {
          recent = Number.isNaN(recent) ? loss : 0.95 * recent + 0.05 * loss; // smoother to look at
          points.push([step, recent]);
        },
      },
    ],
  });
  const { loss = NaN } = await run.evaluate();
  const written = writeText(model, run.parameters, text.tokenizer, { prompt: options.prompt, length: 300 });
  console.log(`\n${wrapped(written)}\n`);
  return { name, points, loss };
}

const simple = await readAndWrite("rnn", rnn({ features: 128 }), text);
const gated = await readAndWrite("lstm", lstm({ features: 128 }), text);

const { train, test } = await text.load();
const bigrams = bigramLoss(train, test, vocabulary);
console.log("nats per character on the last tenth of the text, which neither has read:");
console.log(`rnn ${simple.loss.toFixed(3)}, lstm ${gated.loss.toFixed(3)}, counts of pairs ${bigrams.toFixed(3)}`);
saveFile(
  "char-rnn/loss.svg",
  plot({ title: "Reading a novel", x: "step", y: "nats per character", series: [simple, gated] }),
);
mustReach("rnn: loss as a share of that of pairs", simple.loss / bigrams, { atMost: 0.8 });
mustReach("lstm: loss as a share of that of pairs", gated.loss / bigrams, { atMost: 0.75 });
