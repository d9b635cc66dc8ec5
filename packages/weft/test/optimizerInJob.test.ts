/** Optimisers travel in a job as data, with their schedules and what is wrapped around them. */
import { digits } from "@weft/data";
import { dense, flatten, sequential, softmaxCrossEntropy } from "@weft/nn";
import type { Optimizer } from "@weft/optim";
import { accumulate, adamw, clipByGlobalNorm, cosine, muon, oneCycle, partition, sgd } from "@weft/optim";
import { createOptimizer } from "@weft/optim/createOptimizer";
import { decodeJob } from "@weft/protocol";
import { expect, test } from "vitest";
import { buildJob, defineJob, federated } from "weft";

const learningRate = cosine({ from: 0.1, steps: 100 });

test.each<readonly [string, Optimizer, Optimizer]>([
  ["a schedule", sgd({ learningRate: oneCycle({ peak: 0.1, steps: 20 }) }), sgd({ learningRate })],
  [
    "groups of parameters under clipping",
    clipByGlobalNorm(
      partition([
        { minRank: 2, optimizer: muon({ learningRate }) },
        { indices: [1], optimizer: sgd({ learningRate, momentum: 0.9 }) },
        { optimizer: adamw({ learningRate }) },
      ]),
      { maxNorm: 1 },
    ),
    accumulate(adamw({ learningRate, weightDecay: learningRate }), 4),
  ],
])("a job carries %s", async (_, local, server) => {
  const job = defineJob({
    name: "digits",
    data: digits(),
    model: sequential(flatten, dense({ features: 10 })),
    loss: softmaxCrossEntropy,
    metrics: {},
    round: federated({ local: { epochs: 1, batchSize: 8, optimizer: local }, server }),
    stop: { rounds: 1 },
  });
  const { round } = decodeJob(buildJob(job, await digits().load())).document;
  if (round.work.kind !== "local") throw new Error("expected local work");
  expect(createOptimizer(round.work.optimizer).spec).toEqual(local.spec);
  expect(createOptimizer(round.server).spec).toEqual(server.spec);
});
