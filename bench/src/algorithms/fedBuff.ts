/** Machines of log-normal speed: time until a goal with rounds that wait for everyone invited, and with a buffer (FedBuff). */
import { partitionIid } from "@weft/data";
import { sgd } from "@weft/optim";
import { buffered, federated, type FederatedKnobs } from "weft";
import type { Figure } from "../figure.ts";
import { contest, reaching } from "./contest.ts";
import { twoLayers } from "./models.ts";

const goal = 0.95;
/** Standard deviation of log speed: one machine in six is 2.7 times as slow as the median. */
const spread = 1;

export async function* fedBuff(): AsyncIterable<Figure> {
  const minutesTo = async (name: string, knobs: Partial<FederatedKnobs>) => {
    const points = await contest({
      name,
      definition: {
        ...twoLayers,
        name: "fedbuff",
        round: federated({
          cohort: { count: 20 },
          local: { epochs: 1, batchSize: 10, optimizer: sgd({ learningRate: 0.1 }) },
          server: sgd({ learningRate: 1 }),
          // Nobody is given up: both are to wait for what they asked.
          deadline: 100_000_000,
          ...knobs,
        }),
        stop: { rounds: 150, target: { metric: "accuracy", value: goal } },
      },
      workers: 100,
      partition: ({ size }, workers) => partitionIid(size, workers, 0),
      machines: { spread },
    });
    return reaching(points, goal)?.minutes ?? Infinity;
  };
  const together = await minutesTo("synchronous, 20 at work", {});
  const apart = await minutesTo("buffer of 10, 20 at work", { pace: buffered({ size: 10 }) });
  yield {
    name: "algorithms fedbuff: virtual time to 95 %, log-normal speeds",
    value: apart,
    unit: "min",
    vs: `synchronous FedAvg beside it, ${together.toFixed(1)} min (Nguyen et al. 2022: 3.3 times)`,
    ratio: together / apart,
  };
}
