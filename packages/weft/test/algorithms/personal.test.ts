/** Parameters that stay on their worker, and running statistics, in rounds. */
import { batchNorm, dense, sequential } from "@weft/nn";
import { sgd } from "@weft/optim";
import { decodeJob, sharedParameters } from "@weft/protocol";
import { describe, expect, test } from "vitest";
import { dataParallel, federated, type FederatedKnobs, JobError, normalized, scaffold } from "weft";
import { dataOf, encodedJob, gradientOf, plus, scaled, sum, train, type Vector } from "./problem.ts";

const rate = 0.05;
const local = { epochs: 3, batchSize: 16, optimizer: sgd({ learningRate: rate }) };
const server = sgd({ learningRate: 1 });
const data = [0, 1, 2].map((place) => dataOf(place, 8));
const rounds = 5;

describe("personal parameters", () => {
  const personal = ["*bias"];

  test("stay on their workers and go on from round to round, while the others are averaged (FedPer)", async () => {
    const { initial, weights } = await train({ round: federated({ local, server, personal }), data, rounds });
    expect(initial).toHaveLength(3);
    expect(weights).toHaveLength(2);
    let shared: Vector = [...initial].slice(0, 2);
    const own = data.map(() => initial[2]!);
    for (let round = 0; round < rounds; round++) {
      const models = data.map((dataset, place) => {
        let model: Vector = [...shared, own[place]!];
        for (let step = 0; step < 3; step++) model = plus(model, gradientOf(model, dataset), -rate);
        own[place] = model[2]!;
        return model.slice(0, 2);
      });
      shared = scaled(sum(models), 1 / data.length);
    }
    shared.forEach((value, i) => expect(weights[i]).toBeCloseTo(value, 5));
  });

  test("are not in what travels, nor have they control variates there", () => {
    const knobs = { local: { ...local, correction: scaffold() }, server, personal };
    const { document } = decodeJob(encodedJob({ round: federated(knobs), rounds }));
    const kinds = sharedParameters(document).map(({ name, kind }) => `${kind} ${name}`);
    expect(kinds).toHaveLength(2);
    expect(kinds.map((kind) => kind.split(" ")[0])).toEqual(["weight", "control"]);
    expect(kinds.join()).not.toContain("bias");
  });

  test("are corrected by nobody: SCAFFOLD over shared weights alone trains to the end", async () => {
    const knobs = { local: { ...local, correction: scaffold() }, server, personal };
    const { weights } = await train({ round: federated(knobs), data, rounds });
    expect(weights).toHaveLength(4);
    expect([...weights].every(Number.isFinite)).toBe(true);
  });

  test("are part of the model that workers evaluate", async () => {
    const losses: number[] = [];
    const evaluation = { on: "workers", every: 1, heldOut: 0.25 } as const;
    await train({
      round: federated({ local, server, personal, evaluation }),
      data,
      rounds: 30,
      onEvent: (event) => {
        if (event.event === "evaluated") losses.push(event.metrics["loss"] ?? NaN);
      },
    });
    expect(losses).toHaveLength(30);
    // With one bias for all of them the data of these workers cannot be fitted so well.
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 4);
  });

  const refused = (knobs: Partial<FederatedKnobs>) => () =>
    encodedJob({ round: federated({ local, server, personal, ...knobs }), rounds });

  test("that no parameter is named by are refused, with the names there are", () => {
    expect(refused({ personal: ["head/*"] })).toThrow(JobError);
    expect(refused({ personal: ["head/*"] })).toThrow(/personal names "head\/\*", .*bias/);
  });

  test("cannot be measured by the coordinator", () => {
    expect(refused({ evaluation: { on: "coordinator", every: 1 } })).toThrow(/let them evaluate/);
  });
});

describe("running statistics", () => {
  const model = sequential(batchNorm({ momentum: 0.5 }), dense({ features: 1 }));
  /** Mean and variance of each feature of the rows. */
  const momentsOf = ({ columns, size }: (typeof data)[number]) =>
    [0, 1].map((feature) => {
      const values = Array.from({ length: size }, (_, i) => Number(columns[0]![2 * i + feature]));
      const mean = values.reduce((total, value) => total + value, 0) / size;
      // Unbiased, over a batch of 16: eight rows fill it twice.
      return { mean, variance: (values.reduce((total, value) => total + (value - mean) ** 2, 0) / size) * (16 / 15) };
    });

  test.each([
    ["of gradients", dataParallel({ batchSize: 24, optimizer: sgd({ learningRate: rate, momentum: 0.9 }) }), 1],
    ["of local training", federated({ local: { ...local, epochs: 1 }, server: sgd({ learningRate: 0.1 }) }), 1],
  ])("are the mean of the workers' after a round %s, whatever the server optimiser", async (_, round, times) => {
    const { weights } = await train({ round, data, rounds: times, model });
    const { document } = decodeJob(encodedJob({ round, rounds: times, model }));
    const entries = sharedParameters(document).filter(({ kind }) => kind === "statistic");
    expect(entries).toHaveLength(2);
    let offset = 0;
    for (const { name, kind } of sharedParameters(document)) {
      const length = document.parameters.find((parameter) => parameter.name === name)!.shape.reduce((a, b) => a * b, 1);
      const what = /variance/i.test(name) ? "variance" : "mean";
      for (let feature = 0; kind === "statistic" && feature < 2; feature++) {
        const begun = what === "variance" ? 1 : 0;
        const measured = data.map((each) => momentsOf(each)[feature]![what]);
        const expected = 0.5 * begun + (0.5 * measured.reduce((total, value) => total + value, 0)) / data.length;
        expect(weights[offset + feature]).toBeCloseTo(expected, 4);
      }
      offset += length;
    }
  });

  test("stay where they are measured, with the normalisation they belong to (FedBN)", async () => {
    const round = federated({ local, server, personal: ["batchNorm.*"] });
    const { weights, initial } = await train({ round, data, rounds, model });
    expect(initial).toHaveLength(11);
    expect(weights).toHaveLength(3);
    expect([...weights]).not.toEqual([...initial].slice(8));
  });

  test("are not weighed by steps", () => {
    const round = federated({ local, server, weighting: normalized() });
    expect(() => encodedJob({ round, rounds, model })).toThrow(/statistics/);
  });
});
