/** Each algorithm against its paper's formulas, written down once more in double precision for a convex problem. */
import { adam, adamw, sgd } from "@weft/optim";
import { describe, expect, test } from "vitest";
import {
  asynchronous,
  buffered,
  constant,
  dataParallel,
  diloco,
  fair,
  fedDyn,
  federated,
  type FederatedKnobs,
  localSgd,
  normalized,
  scaffold,
} from "weft";
import { dataOf, gradientOf, lossOf, plus, scaled, sum, train, uniformData, type Vector, zero } from "./problem.ts";

const rate = 0.05;
const epochs = 3;
const rounds = 6;
const local = { epochs, batchSize: 16, optimizer: sgd({ learningRate: rate }) };
const server = sgd({ learningRate: 1 });
/** Four workers with 4, 6, 8 and 10 examples. */
const data = [0, 1, 2, 3].map((place) => dataOf(place, 4 + 2 * place));
const weights = data.map(({ size }) => size / 28);

/** Local training as in the papers: `steps` of gradient descent on the whole of a worker's data. */
function descend(
  from: Vector,
  place: number,
  { steps = epochs, add }: { steps?: number; add?: (model: Vector) => Vector } = {},
): Vector {
  let model = from;
  for (let step = 0; step < steps; step++) {
    model = plus(model, plus(gradientOf(model, data[place]!), add?.(model) ?? zero), -rate);
  }
  return model;
}

const places = data.map((_, place) => place);
const mean = (vectors: readonly Vector[], by: readonly number[] = weights): Vector =>
  sum(vectors.map((vector, i) => scaled(vector, by[i]!)));
const even = places.map(() => 1 / places.length);

const run = (knobs: Partial<FederatedKnobs>, options: { rounds?: number } = {}) =>
  train({ round: federated({ local, server, ...knobs }), data, rounds: options.rounds ?? rounds });

function expectClose(got: ArrayLike<number>, expected: Vector): void {
  expect(got.length).toBe(expected.length);
  expected.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 5));
}

/** Applies a round of an algorithm so many times. */
function repeat(start: ArrayLike<number>, round: (model: Vector) => Vector, times = rounds): Vector {
  let model: Vector = Array.from(start);
  for (let i = 0; i < times; i++) model = round(model);
  return model;
}

const fedAvg = (model: Vector): Vector => mean(places.map((place) => descend(model, place)));

describe("a run gives what the formulas of the paper give:", () => {
  test("FedAvg", async () => {
    const { initial, weights: got } = await run({});
    expectClose(got, repeat(initial, fedAvg));
  });

  test("FedAvgM: the server's momentum over the mean change", async () => {
    const { initial, weights: got } = await run({ server: sgd({ learningRate: 0.5, momentum: 0.9 }) });
    let velocity = zero;
    const expected = repeat(initial, (model) => {
      velocity = plus(scaled(velocity, 0.9), plus(model, fedAvg(model), -1));
      return plus(model, velocity, -0.5);
    });
    expectClose(got, expected);
  });

  test("FedAdam: Adam over the mean change", async () => {
    const { initial, weights: got } = await run({ server: adam({ learningRate: 0.1 }) });
    let [first, second] = [zero, zero];
    let step = 0;
    const expected = repeat(initial, (model) => {
      const change = plus(model, fedAvg(model), -1);
      first = plus(scaled(first, 0.9), change, 0.1);
      second = second.map((value, i) => 0.999 * value + 0.001 * change[i]! ** 2);
      step += 1;
      const [scale1, scale2] = [1 - 0.9 ** step, 1 - 0.999 ** step];
      return model.map((value, i) => value - (0.1 * first[i]!) / scale1 / (Math.sqrt(second[i]! / scale2) + 1e-8));
    });
    expectClose(got, expected);
  });

  test("FedProx: μ (w − base) in every gradient", async () => {
    const { initial, weights: got } = await run({ local: { ...local, proximal: 0.5 } });
    const expected = repeat(initial, (base) =>
      mean(places.map((place) => descend(base, place, { add: (model) => scaled(plus(model, base, -1), 0.5) }))),
    );
    expectClose(got, expected);
  });

  test.each([
    ["uniform", even],
    ["examples", weights],
  ] as const)("SCAFFOLD, option II, sharing the control variates %s", async (weighting, by) => {
    const { initial, weights: got } = await run({ local: { ...local, correction: scaffold() }, weighting });
    let shared = zero;
    let controls: Vector[] = places.map(() => zero);
    const expected = repeat(initial, (base) => {
      const models = places.map((place) => descend(base, place, { add: () => plus(shared, controls[place]!, -1) }));
      const next = models.map((model, place) =>
        plus(plus(controls[place]!, shared, -1), plus(base, model, -1), 1 / (epochs * rate)),
      );
      shared = plus(
        shared,
        mean(
          next.map((control, place) => plus(control, controls[place]!, -1)),
          by,
        ),
      );
      controls = next;
      return mean(models, by);
    });
    // The control variates follow the model in the shared vector.
    expectClose(got.subarray(0, 3), expected);
    expectClose(got.subarray(3), shared);
  });

  test("FedDyn: each worker's memory and the server's", async () => {
    const alpha = 0.1;
    const knobs = { local: { ...local, correction: fedDyn({ alpha }) }, weighting: "uniform" } as const;
    const { initial, weights: got } = await run(knobs);
    let memories: Vector[] = places.map(() => zero);
    let h = zero;
    const expected = repeat(initial, (base) => {
      const models = places.map((place) =>
        descend(base, place, {
          add: (model) => plus(scaled(memories[place]!, -1), plus(model, base, -1), alpha),
        }),
      );
      memories = models.map((model, place) => plus(memories[place]!, plus(model, base, -1), -alpha));
      h = plus(h, sum(models.map((model) => plus(model, base, -1))), -alpha / places.length);
      return plus(mean(models, even), h, -1 / alpha);
    });
    expectClose(got, expected);
  });

  test.each([
    ["", 0],
    [" of steps with momentum", 0.6],
  ])("FedNova: changes by the weight of their steps, times the mean weight%s", async (_, momentum) => {
    const uneven = data.map(({ size }, place) => uniformData(place, size));
    const optimizer = sgd({ learningRate: rate, momentum });
    const knobs = { local: { epochs: 1, batchSize: 4, optimizer }, server, weighting: normalized() };
    const { initial, weights: got } = await train({ round: federated(knobs), data: uneven, rounds });
    const steps = uneven.map(({ size }) => Math.ceil(size / 4));
    expect(steps).toEqual([1, 2, 2, 3]);
    // a of the paper: the weight in the whole change of each step's gradient.
    const efforts = steps.map((count) => {
      const ofStep = (step: number) => (1 - momentum ** (count - step)) / (1 - momentum);
      return Array.from({ length: count }, (__, step) => ofStep(step)).reduce((total, weight) => total + weight, 0);
    });
    const effective = efforts.reduce((total, effort, i) => total + weights[i]! * effort, 0);
    const expected = repeat(initial, (base) => {
      const changes = places.map((place) => {
        let [model, velocity] = [base, zero];
        for (let step = 0; step < steps[place]!; step++) {
          velocity = plus(scaled(velocity, momentum), gradientOf(model, uneven[place]!));
          model = plus(model, velocity, -rate);
        }
        return scaled(plus(base, model, -1), 1 / efforts[place]!);
      });
      return plus(base, mean(changes), -effective);
    });
    expectClose(got, expected);
  });

  test("q-FedAvg: losses to the power q, over the sum of the curvatures", async () => {
    const [q, lipschitz] = [2, 1 / rate];
    const { initial, weights: got } = await run({ weighting: fair({ q, lipschitz }) });
    const expected = repeat(initial, (base) => {
      const losses = data.map((each) => lossOf(base, each));
      const changes = places.map((place) => scaled(plus(base, descend(base, place), -1), lipschitz));
      const weighed = changes.map((change, i) => scaled(change, losses[i]! ** q));
      const curvatures = changes.map((change, i) => {
        const squared = change.reduce((total, value) => total + value * value, 0);
        return q * losses[i]! ** (q - 1) * squared + lipschitz * losses[i]! ** q;
      });
      return plus(base, sum(weighed), -1 / curvatures.reduce((total, value) => total + value, 0));
    });
    expectClose(got, expected);
  });

  test("DiLoCo: inner AdamW that goes on where it was, outer Nesterov", async () => {
    const steps = 4;
    const optimizer = adamw({ learningRate: 0.02, weightDecay: 0.1 });
    const { initial, weights: got } = await train({ round: diloco({ steps, batchSize: 16, optimizer }), data, rounds });
    const states = places.map(() => ({ first: zero, second: zero, step: 0 }));
    let velocity = zero;
    const inner = (base: Vector, place: number): Vector => {
      let model = base;
      const state = states[place]!;
      for (let i = 0; i < steps; i++) {
        const gradient = gradientOf(model, data[place]!);
        state.step += 1;
        state.first = plus(scaled(state.first, 0.9), gradient, 0.1);
        state.second = state.second.map((value, j) => 0.999 * value + 0.001 * gradient[j]! ** 2);
        const [scale1, scale2] = [1 - 0.9 ** state.step, 1 - 0.999 ** state.step];
        model = model.map((value, j) => {
          const step = state.first[j]! / scale1 / (Math.sqrt(state.second[j]! / scale2) + 1e-8);
          return value - 0.02 * (step + 0.1 * value);
        });
      }
      return model;
    };
    const expected = repeat(initial, (base) => {
      const change = plus(
        base,
        mean(
          places.map((place) => inner(base, place)),
          even,
        ),
        -1,
      );
      velocity = plus(scaled(velocity, 0.9), change);
      return plus(base, plus(change, velocity, 0.9), -0.7);
    });
    expectClose(got, expected);
  });

  test("FedBuff: η times the sum of a buffer's changes, by its size", async () => {
    const pace = buffered({ size: 2, staleness: constant() });
    const round = federated({ local, server: sgd({ learningRate: 0.5 }), pace });
    // A worker alone fills each buffer from one base.
    const { initial, weights: got } = await train({ round, data: data.slice(1, 2), rounds });
    const expected = repeat(initial, (base) => {
      const change = plus(base, descend(base, 1), -1);
      return plus(base, plus(change, change), -0.5 / 2);
    });
    expectClose(got, expected);
  });
});

describe("where one algorithm contains another, both give the same:", () => {
  const bits = async (knobs: Partial<FederatedKnobs>) => [...(await run(knobs)).weights];

  test("FedProx without a pull is FedAvg, bit for bit", async () => {
    expect(await bits({ local: { ...local, proximal: 0 } })).toEqual(await bits({}));
  });

  test("q-FedAvg with q = 0 is FedAvg of equal weights, bit for bit", async () => {
    expect(await bits({ weighting: fair({ q: 0, lipschitz: 20 }) })).toEqual(await bits({ weighting: "uniform" }));
  });

  test("FedNova over equal numbers of steps is FedAvg", async () => {
    expectClose(await bits({ weighting: normalized() }), await bits({}));
  });

  test("SCAFFOLD over equal data is FedAvg", async () => {
    const same = data.map(() => dataOf(1, 8));
    const rule = (correction?: ReturnType<typeof scaffold>) =>
      federated({ local: { ...local, ...(correction && { correction }) }, server, weighting: "uniform" });
    const corrected = await train({ round: rule(scaffold()), data: same, rounds });
    const plain = await train({ round: rule(), data: same, rounds });
    expectClose(corrected.weights.subarray(0, 3), [...plain.weights]);
  });

  test("local SGD of one step is data-parallel SGD", async () => {
    const equal = places.map((place) => dataOf(place, 8));
    const optimizer = sgd({ learningRate: rate });
    const ofSteps = await train({ round: localSgd({ steps: 1, batchSize: 8, optimizer }), data: equal, rounds });
    const ofGradients = await train({ round: dataParallel({ batchSize: 32, optimizer }), data: equal, rounds });
    expectClose(ofSteps.weights, [...ofGradients.weights]);
  });

  test("a batch in parts has the gradient of the whole", async () => {
    const equal = places.map((place) => dataOf(place, 8));
    const optimizer = sgd({ learningRate: rate });
    const round = (microBatch?: number) =>
      dataParallel({ batchSize: 28, optimizer, ...(microBatch && { microBatch }) });
    const [parts, whole] = [
      await train({ round: round(3), data: equal, rounds }),
      await train({ round: round(), data: equal, rounds }),
    ];
    expectClose(parts.weights, [...whole.weights]);
  });

  test.each<[string, Partial<FederatedKnobs>]>([
    ["SCAFFOLD", { local: { ...local, correction: scaffold() } }],
    ["FedDyn", { local: { ...local, correction: fedDyn({ alpha: 0.1 }) } }],
    ["FedNova", { local: { ...local, batchSize: 4 }, weighting: normalized() }],
    ["q-FedAvg", { weighting: fair({ q: 1, lipschitz: 20 }) }],
    ["DiLoCo's kept optimiser", { local: { ...local, optimizer: adam({ learningRate: 0.1 }), keepOptimizer: true } }],
  ])("%s gives the same bits whoever comes first", async (_, knobs) => {
    const ofOnes = places.map((place) => uniformData(place, 4 + 2 * place));
    const round = federated({ local, server, ...knobs });
    const [first, second] = [ofOnes, ofOnes.toReversed()].map((ordered) => train({ round, data: ordered, rounds }));
    expect([...(await second!).weights]).toEqual([...(await first!).weights]);
  });

  test("asynchronous SGD of one worker is SGD", async () => {
    const optimizer = sgd({ learningRate: rate });
    const only = [dataOf(0, 8)];
    const ofOne = await train({ round: asynchronous({ batchSize: 8, optimizer }), data: only, rounds });
    expectClose(
      ofOne.weights,
      repeat(ofOne.initial, (model) => plus(model, gradientOf(model, only[0]!), -rate)),
    );
  });
});
