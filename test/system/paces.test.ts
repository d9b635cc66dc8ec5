/** Rounds that are not all alike, with real workers: every pace and rule learns the digits, and loses nothing on the way. */
import type { CoordinatorEvent } from "@weft/coordinator";
import { digits } from "@weft/data";
import { accuracy, dense, flatten, relu, sequential, softmaxCrossEntropy } from "@weft/nn";
import { adam, sgd } from "@weft/optim";
import { asynchronous, buffered, dataParallel, defineJob, federated, type JobDefinition, train } from "weft";
import { expect, test } from "vitest";

const base = {
  data: digits(),
  model: sequential(flatten, dense({ features: 32 }), relu, dense({ features: 10 })),
  loss: softmaxCrossEntropy,
  metrics: { accuracy },
};
const local = { epochs: 1, batchSize: 16, optimizer: sgd({ learningRate: 0.1 }) };
const server = sgd({ learningRate: 1 });
const optimizer = adam({ learningRate: 3e-3 });

const jobs: Record<string, Pick<JobDefinition, "round" | "stop">> = {
  "backups, late updates and slices by speed": {
    round: dataParallel({ batchSize: 64, optimizer, quorum: { count: 2 }, late: "buffer", balance: "speed" }),
    stop: { epochs: 6 },
  },
  "asynchronous SGD with bounded staleness": {
    round: asynchronous({ batchSize: 32, optimizer: sgd({ learningRate: 0.1 }), maxStaleness: 4 }),
    stop: { epochs: 8 },
  },
  "FedBuff, measured by its workers": {
    round: federated({
      local,
      server,
      pace: buffered({ size: 2 }),
      evaluation: { on: "workers", every: 5, heldOut: 0.1 },
    }),
    stop: { rounds: 25 },
  },
  "sampling by loss within fairness, measured by its workers": {
    round: federated({
      local,
      server,
      cohort: { count: 2, sampling: "loss", fairness: { maxShare: 2, maxWait: 6 } },
      evaluation: { on: "workers", every: 2, heldOut: 0.1 },
    }),
    stop: { rounds: 60, target: { metric: "accuracy", value: 0.85 } },
  },
};

test.each(Object.entries(jobs))("%s", async (name, { round, stop }) => {
  const events: CoordinatorEvent[] = [];
  const job = defineJob({ ...base, name: name.replaceAll(/\W+/g, "-"), round, stop });
  const { outcome, evaluate } = await train(job, { workers: 3, onEvent: (event) => events.push(event) });
  expect(outcome.reason).toBe(stop.target ? "target" : stop.rounds ? "rounds" : "epochs");
  expect((await evaluate())["accuracy"]).toBeGreaterThan(0.8);
  // Nobody is refused for what is not its fault.
  const refused = events.filter((event) => event.event === "refusedUpdate").map(({ code }) => code);
  expect(refused.filter((code) => code !== "late" && code !== "left" && code !== "superseded")).toEqual([]);
  const measured = events.filter((event) => event.event === "evaluated" && event.workers !== undefined);
  expect(measured.length > 0).toBe(round.evaluation !== undefined);
});
