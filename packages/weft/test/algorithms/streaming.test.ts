/** Streaming DiLoCo (Douillard et al. 2025) against the paper's formulas in double precision, and what of it travels. */
import { fragmentOf } from "@weft/protocol";
import { adam, adamw, sgd } from "@weft/optim";
import { dense, sequential } from "@weft/nn";
import { describe, expect, test } from "vitest";
import { diloco, type DilocoKnobs } from "weft";
import { dataOf, gradientOf, plus, scaled, size, sum, train, type Vector, zero } from "./problem.ts";

const steps = 3;
const optimizer = adamw({ learningRate: 0.02, weightDecay: 0.1 });
const data = [0, 1, 2].map((place) => dataOf(place, 4 + 2 * place));
const places = data.map((_, place) => place);

/** Weights, then the bias. */
const fragments = [[0, 1], [2]] as const;

/** AdamW whose state goes on from call to call. */
function innerAdamW(place: number): (from: Vector) => Vector {
  let [first, second, step] = [zero, zero, 0];
  return (from) => {
    let model = from;
    for (let i = 0; i < steps; i++) {
      const gradient = gradientOf(model, data[place]!);
      step += 1;
      first = plus(scaled(first, 0.9), gradient, 0.1);
      second = second.map((value, j) => 0.999 * value + 0.001 * gradient[j]! ** 2);
      const [scale1, scale2] = [1 - 0.9 ** step, 1 - 0.999 ** step];
      model = model.map((value, j) => {
        const direction = first[j]! / scale1 / (Math.sqrt(second[j]! / scale2) + 1e-8);
        return value - 0.02 * (direction + 0.1 * value);
      });
    }
    return model;
  };
}

/** One step of an outer optimiser on one element, whose state is its own. */
type Outer = (change: number) => number;

function nesterov(): Outer {
  let velocity = 0;
  return (change) => {
    velocity = 0.9 * velocity + change;
    return 0.7 * (change + 0.9 * velocity);
  };
}

function outerAdam(): Outer {
  let [first, second, step] = [0, 0, 0];
  return (change) => {
    step += 1;
    first = 0.9 * first + 0.1 * change;
    second = 0.999 * second + 0.001 * change ** 2;
    return (0.05 * first) / (1 - 0.9 ** step) / (Math.sqrt(second / (1 - 0.999 ** step)) + 1e-8);
  };
}

/** Algorithm 2 of the paper with τ = 0, in rounds of one fragment each. */
function streamed(
  initial: ArrayLike<number>,
  { rounds, mixing, outer }: { readonly rounds: number; readonly mixing: number; readonly outer: () => Outer },
): Vector {
  const merged = Array.from(initial);
  const models = places.map(() => [...merged]);
  const inner = places.map(innerAdamW);
  const outers = merged.map(outer);
  for (let round = 1; round <= rounds; round++) {
    for (const place of places) models[place] = [...inner[place]!(models[place]!)];
    for (const i of fragments[fragmentOf(round, fragments.length)]!) {
      const change = models.reduce((total, model) => total + merged[i]! - model[i]!, 0) / models.length;
      merged[i]! -= outers[i]!(change);
      for (const model of models) model[i] = mixing * model[i]! + (1 - mixing) * merged[i]!;
    }
  }
  return merged;
}

const run = (rounds: number, knobs: Partial<DilocoKnobs>) =>
  train({ round: diloco({ steps, batchSize: 16, optimizer, ...knobs }), data, rounds });

describe("a run that streams", () => {
  test.each([0, 0.5])("gives what the paper's formulas give, with α = %d", async (mixing) => {
    const rounds = 7;
    const { initial, weights } = await run(rounds, { streaming: { fragments: 2, mixing } });
    const expected = streamed(initial, { rounds, mixing, outer: nesterov });
    expected.forEach((value, i) => expect(weights[i]).toBeCloseTo(value, 5));
    // Fragments that were brought in together would have given something else.
    const { weights: together } = await run(rounds, {});
    expect(Math.abs(together[0]! - weights[0]!)).toBeGreaterThan(1e-3);
  });

  test("counts an outer optimiser's steps by fragment", async () => {
    const [rounds, mixing] = [7, 0.25];
    const server = adam({ learningRate: 0.05 });
    const { initial, weights } = await run(rounds, { server, streaming: { fragments: 2, mixing } });
    const expected = streamed(initial, { rounds, mixing, outer: outerAdam });
    expected.forEach((value, i) => expect(weights[i]).toBeCloseTo(value, 5));
  });

  test("one fragment is DiLoCo, bit for bit", async () => {
    const whole = await run(5, {});
    const one = await run(5, { streaming: { fragments: 1 } });
    expect([...one.weights]).toEqual([...whole.weights]);
  });

  test("trains to the end through codecs that owe, what they owe by fragment", async () => {
    const round = diloco({ steps, batchSize: 16, optimizer, streaming: { fragments: 2 } });
    const codec = { up: "int2", down: "int8" } as const;
    const { initial, weights } = await train({ round, data, rounds: 40, changes: { codec } });
    const exact = await run(40, { streaming: { fragments: 2 } });
    const distance = (from: ArrayLike<number>) =>
      Math.sqrt(sum(Array.from({ length: size }, (_, i) => [(from[i]! - exact.weights[i]!) ** 2, 0, 0]))[0]!);
    expect(distance(weights)).toBeLessThan(distance(initial) / 4);
  });
});

test("a round of a run that streams moves one fragment, up and down", async () => {
  const model = sequential(dense({ features: 100 }), dense({ features: 100 }), dense({ features: 1 }));
  const bytes: { readonly up: number; readonly whole: number; readonly delta: number }[] = [];
  await train({
    round: diloco({ steps: 1, batchSize: 16, optimizer: sgd({ learningRate: 1e-3 }), streaming: { fragments: 3 } }),
    data: data.slice(0, 2),
    rounds: 6,
    model,
    onEvent: (event) => {
      if (event.event !== "round") return;
      const of = (kind: string, codec: string) => {
        const entry = event.traffic.find((each) => each.kind === kind && each.codec === codec);
        return { up: entry?.bytesUp ?? 0, down: entry?.bytesDown ?? 0 };
      };
      bytes.push({
        up: of("update", "f32").up / 2,
        whole: of("weights", "f32").down / 2,
        delta: of("weights", "f32 delta").down / 2,
      });
    },
  });
  // 200 + 100; 10,000; 100 + 100 + 1 elements.
  const elements = [300, 10_000, 201];
  const near = (got: number, values: number) => {
    expect(got).toBeGreaterThanOrEqual(4 * values);
    expect(got).toBeLessThan(4 * values + 600);
  };
  for (const [i, { up }] of bytes.entries()) near(up, elements[i % 3]!);
  near(bytes[0]!.whole, 10_501);
  for (const { whole } of bytes.slice(1)) expect(whole).toBe(0);
  for (const [i, { delta }] of bytes.slice(1).entries()) near(delta, elements[i % 3]!);
});
