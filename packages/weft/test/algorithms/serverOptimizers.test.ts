/**
 * The server's adaptive optimisers against Algorithm 2 of Reddi et al. (2021), "Adaptive Federated Optimization", written down
 * once more in double precision; undisturbed, and with coordinator and worker killed and come back in between.
 */
import { adagrad, adam, type Optimizer, sgd, yogi } from "@weft/optim";
import { checkJob, createTrainer } from "@weft/worker";
import { describe, expect, test } from "vitest";
import { federated } from "weft";
import { dataOf, encodedJob, gradientOf, plus, scaled, sum, type Vector, zero } from "./problem.ts";
import { type Kills, trainThrough } from "./restarts.ts";

const rounds = 10;
const [epochs, rate] = [3, 0.05];
const local = { epochs, batchSize: 16, optimizer: sgd({ learningRate: rate }) };
/** Four workers with 4, 6, 8 and 10 examples, so that their changes weigh differently. */
const data = [0, 1, 2, 3].map((place) => dataOf(place, 4 + 2 * place));

/** The weighted mean of what `epochs` steps of gradient descent on the whole of each worker's data change. */
function meanChange(model: Vector): Vector {
  const examples = data.reduce((all, { size }) => all + size, 0);
  const changes = data.map((own) => {
    let theirs = model;
    for (let step = 0; step < epochs; step++) theirs = plus(theirs, gradientOf(theirs, own), -rate);
    return scaled(plus(theirs, model, -1), own.size / examples);
  });
  return sum(changes);
}

/** x + η m / (√v + τ), with m a running mean of the changes and v as the algorithm has it, from v = τ². */
function algorithm2(
  start: Vector,
  { eta, beta1, tau, next }: { eta: number; beta1: number; tau: number; next: (v: number, square: number) => number },
): Vector {
  let [model, mean, v] = [start, zero, zero.map(() => tau ** 2)];
  for (let round = 0; round < rounds; round++) {
    const change = meanChange(model);
    mean = plus(scaled(mean, beta1), change, 1 - beta1);
    v = v.map((value, i) => next(value, change[i]! ** 2));
    model = model.map((value, i) => value + (eta * mean[i]!) / (Math.sqrt(v[i]!) + tau));
  }
  return model;
}

const [eta, tau, beta2] = [0.1, 0.05, 0.99];
const initialAccumulator = tau ** 2;

/** The corrections of Kingma and Ba for the start at zero, which Reddi et al. leave out. */
function correctedAdam(start: Vector): Vector {
  let [model, mean, v] = [start, zero, zero];
  for (let round = 1; round <= rounds; round++) {
    const change = meanChange(model);
    mean = plus(scaled(mean, 0.9), change, 0.1);
    v = v.map((value, i) => beta2 * value + (1 - beta2) * change[i]! ** 2);
    const [first, second] = [1 - 0.9 ** round, 1 - beta2 ** round];
    model = model.map((value, i) => value + (eta * mean[i]!) / first / (Math.sqrt(v[i]! / second) + tau));
  }
  return model;
}

const cases: readonly [string, Optimizer, (start: Vector) => Vector][] = [
  [
    "FedYogi",
    yogi({ learningRate: eta, beta2, epsilon: tau, initialAccumulator }),
    (start) =>
      algorithm2(start, {
        ...{ eta, tau, beta1: 0.9 },
        next: (v, square) => v - (1 - beta2) * square * Math.sign(v - square),
      }),
  ],
  [
    "FedAdagrad, without momentum as in the paper's experiments",
    adagrad({ learningRate: eta, epsilon: tau, initialAccumulator }),
    (start) => algorithm2(start, { eta, tau, beta1: 0, next: (v, square) => v + square }),
  ],
  ["FedAdam, with Adam's own corrections", adam({ learningRate: eta, beta2, epsilon: tau }), correctedAdam],
];

const disturbances: readonly [string, Kills][] = [
  ["undisturbed", {}],
  ["with its coordinator killed three times", { coordinator: [2, 5, 9] }],
  ["with a worker killed twice, and its coordinator in between", { worker: [3, 7], coordinator: [5] }],
];

describe.each(cases)("%s", (_, server, formula) => {
  const job = encodedJob({ round: federated({ local, server }), rounds });

  test.each(disturbances)("gives what the formulas give, %s", async (__, kills) => {
    const start = [...(await createTrainer(checkJob(job)).initialize(0))];
    const expected = formula(start);
    const got = await trainThrough(job, data, kills);
    expected.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 5));
    // The rule did something, and something else than plain averaging would.
    expect(Math.max(...plus(expected, start, -1).map(Math.abs))).toBeGreaterThan(0.1);
  });
});
