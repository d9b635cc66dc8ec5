/** Trains the GPT of job.ts, on the novel or on a file, and lets it write. */
import { parseArgs } from "node:util";
import { mobyDick, textFile } from "@weft/data";
import { fit } from "weft";
import { bigramLoss } from "../shared/bigramLoss.ts";
import { mustReach } from "../shared/goal.ts";
import type { Point } from "../shared/plot.ts";
import { plot } from "../shared/plot.ts";
import { saveFile } from "../shared/saveFile.ts";
import { wrapped } from "../shared/wrapped.ts";
import { writeText } from "../shared/writeText.ts";
import { context, gptJob } from "./job.ts";

const { values: options } = parseArgs({
  options: {
    text: { type: "string" },
    steps: { type: "string", default: "1000" },
    prompt: { type: "string", default: "The " },
    temperature: { type: "string", default: "0.8" },
  },
});

const text = await (options.text ? textFile(options.text, { window: context }) : mobyDick({ window: context }));
const job = gptJob(text, { steps: Number(options.steps) });

const losses: Point[] = [];
const run = await fit(job, { callbacks: [{ onBatch: ({ step, loss }) => void losses.push([step, loss]) }] });

const written = writeText(job.definition.model, run.parameters, text.tokenizer, {
  prompt: options.prompt,
  length: 500,
  temperature: Number(options.temperature),
  context,
});
console.log(`\n${wrapped(written)}\n`);

const { train, test } = await text.load();
const bigrams = bigramLoss(train, test, text.tokenizer.vocabulary);
const { loss = NaN } = await run.evaluate();
console.log(
  `nats per character on the last tenth of the text: ${loss.toFixed(3)}; by counts of pairs ${bigrams.toFixed(3)}`,
);
saveFile(
  "gpt/loss.svg",
  plot({
    title: "Loss of a small GPT",
    x: "step",
    y: "nats per character",
    series: [{ name: "training batches", points: losses }],
  }),
);
mustReach("loss, as a share of that of pairs", loss / bigrams, { atMost: 0.8 });
