/** Table 2 of McMahan et al. 2017: the two-layer network on MNIST, 100 workers, C = 0.1, B = 10, E = 1, rounds to 97 %. */
import { partitionIid, partitionShards } from "@weft/data";
import { sgd } from "@weft/optim";
import { federated } from "weft";
import type { Figure } from "../figure.ts";
import { contest, reaching } from "./contest.ts";
import { twoLayers } from "./models.ts";

const goal = 0.97;

export async function* fedAvg({ shards }: { readonly shards: boolean }): AsyncIterable<Figure> {
  const paper = shards ? 664 : 87;
  const name = `algorithms fedavg ${shards ? "two shards" : "iid"}: rounds to 97 %`;
  const points = await contest({
    name,
    definition: {
      ...twoLayers,
      name: "fedavg",
      round: federated({
        cohort: { fraction: 0.1 },
        // The paper chose the best rate of each row.
        local: { epochs: 1, batchSize: 10, optimizer: sgd({ learningRate: shards ? 0.05 : 0.1 }) },
        server: sgd({ learningRate: 1 }),
      }),
      stop: { rounds: 2 * paper, target: { metric: "accuracy", value: goal, every: shards ? 5 : 1 } },
    },
    workers: 100,
    partition: ({ size, columns }, workers) =>
      shards
        ? partitionShards(columns.at(-1) ?? [], { workers, shardsPerWorker: 2, seed: 0 })
        : partitionIid(size, workers, 0),
  });
  const { round = Infinity, megabytes = Infinity } = reaching(points, goal) ?? {};
  yield {
    name,
    value: round,
    unit: "rounds",
    vs: `McMahan et al. 2017, table 2: ${paper} rounds`,
    ratio: paper / round,
  };
  const sent = (2 * paper * 10 * 4 * 199_210) / 1e6;
  const bytes = {
    value: megabytes,
    unit: "MB",
    vs: `the paper's rounds in f32: ${sent.toFixed(0)} MB`,
    ratio: sent / megabytes,
  };
  yield { name: name.replace("rounds", "bytes"), ...bytes };
}
