/** Workers whose labels differ: what SCAFFOLD and FedNova gain over FedAvg where local models part. */
import { partitionDirichlet, partitionShards } from "@weft/data";
import { sgd } from "@weft/optim";
import { federated, normalized, scaffold, type FederatedKnobs } from "weft";
import type { Figure } from "../figure.ts";
import { contest, type Contestant, type Point, reaching } from "./contest.ts";
import { logistic } from "./models.ts";

const optimizer = sgd({ learningRate: 0.05 });
const server = sgd({ learningRate: 1 });

/** SCAFFOLD's table 3: logistic regression, sorted labels, 20 of 100 workers, 5 epochs; rounds to a test accuracy. */
export async function* scaffoldOnSkew(): AsyncIterable<Figure> {
  const goal = 0.86;
  const run = (name: string, correction?: ReturnType<typeof scaffold>) =>
    contest({
      ...sorted(name, { local: { epochs: 5, batchSize: 20, optimizer, ...(correction && { correction }) } }),
      partition: ({ columns }, workers) =>
        partitionShards(columns.at(-1) ?? [], { workers, shardsPerWorker: 1, seed: 0 }),
    });
  const plain = roundsTo(await run("fedavg, sorted labels"), goal);
  const corrected = roundsTo(await run("scaffold, sorted labels", scaffold()), goal);
  const paper = "Karimireddy et al. 2020, table 3, 0 % similarity, 5 epochs: FedAvg 258 rounds, SCAFFOLD 77";
  yield {
    name: `algorithms scaffold on sorted labels: rounds to ${100 * goal} %`,
    value: corrected,
    unit: "rounds",
    vs: `FedAvg beside it, ${plain} rounds (${paper})`,
    ratio: plain / corrected,
  };
}

/** FedNova's experiment: shares and labels after Dirichlet(0.1), 2 epochs, so that workers make very different numbers of steps. */
export async function* fedNovaOnSkew(): AsyncIterable<Figure> {
  const run = (name: string, weighting: FederatedKnobs["weighting"]) =>
    contest({
      ...sorted(name, { local: { epochs: 2, batchSize: 20, optimizer }, ...(weighting && { weighting }) }),
      partition: ({ columns }, workers) => partitionDirichlet(columns.at(-1) ?? [], { workers, alpha: 0.1, seed: 0 }),
    });
  const plain = lastOf(await run("fedavg, Dirichlet(0.1)", "examples"));
  const steps = lastOf(await run("fednova, Dirichlet(0.1)", normalized()));
  yield {
    name: `algorithms fednova on Dirichlet(0.1) labels: accuracy, mean of the last 10 of ${rounds} rounds`,
    value: 100 * steps,
    unit: "%",
    vs: `FedAvg beside it, ${(100 * plain).toFixed(2)} % (Wang et al. 2020, table 1, another network: 60.68 and 66.31 %)`,
    ratio: steps / plain,
  };
}

const rounds = 150;

const sorted = (name: string, knobs: Omit<FederatedKnobs, "server">): Omit<Contestant, "partition"> => ({
  name,
  definition: {
    ...logistic,
    name: "skew",
    round: federated({ cohort: { fraction: 0.2 }, evaluation: { on: "coordinator", every: 1 }, ...knobs, server }),
    stop: { rounds },
  },
  workers: 50,
});

const roundsTo = (points: readonly Point[], goal: number) => reaching(points, goal)?.round ?? Infinity;

function lastOf(points: readonly Point[]): number {
  const last = points.slice(-10).map(({ metrics }) => metrics["accuracy"] ?? NaN);
  return last.reduce((sum, value) => sum + value, 0) / last.length;
}
