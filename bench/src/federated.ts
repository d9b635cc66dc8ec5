/**
 * FedAvg's row of the two-layer network on MNIST (McMahan et al. 2017, table 2: 100 workers, C = 0.1, E = 1, B = 10, IID):
 * rounds and bytes until 97 % test accuracy. The paper took 87 rounds.
 */
import { partitionIid } from "@weft/data";
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { checkJob, createTrainer } from "@weft/worker";
import { buildJob } from "weft";
import job from "../../examples/federated-mnist/job.ts";
import { runInProcess } from "../../test/support/inProcess.ts";
import type { Figure } from "./figure.ts";

const workers = 100;
const paperRounds = 87;
/** One vector of the network in f32. */
const vectorBytes = 4 * 199_210;

export async function* federated(): AsyncIterable<Figure> {
  setBackend(createWasmBackend());
  const data = await job.definition.data.load();
  const encoded = buildJob(job, data);
  const trainer = createTrainer(checkJob(encoded));
  const sent = { up: 0, down: 0 };
  const { rounds, reason, metrics } = await runInProcess({
    ...{ job: encoded, train: data.train, workers },
    coordinator: {
      partition: (slots) => partitionIid(data.train.size, slots, 0),
      evaluate: (weights) => trainer.evaluate(weights, data.test),
    },
    onEvent: (event) => {
      if (event.event === "evaluated") {
        process.stderr.write(`  round ${event.round}: ${(100 * (event.metrics["accuracy"] ?? 0)).toFixed(2)} %\n`);
      }
      if (event.event !== "round") return;
      sent.up += event.bytesUp;
      // A worker's first order also brings it its share of the data: 0.47 MB.
      sent.down += event.bytesDown;
    },
  });
  if (reason !== "target") {
    throw new Error(`97 % was not reached in ${rounds} rounds: accuracy ${metrics["accuracy"] ?? NaN}`);
  }
  const paperMegabytes = (paperRounds * 10 * vectorBytes) / 1e6;
  const figure = (name: string, value: number, unit: string, limit: number): Figure => ({
    name: `federated ${name}`,
    value,
    unit,
    vs: "McMahan et al. 2017, 87 rounds in f32",
    ratio: limit / value,
  });
  yield figure("rounds to 97 %", rounds, "rounds", paperRounds);
  yield figure("upload to 97 %", sent.up / 1e6, "MB", paperMegabytes);
  yield figure("download to 97 %, the workers' shares of the data included", sent.down / 1e6, "MB", paperMegabytes);
}
