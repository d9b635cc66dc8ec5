/** The knobs of simulations, and how results read. */
import type { Simulation } from "@weft/simulator";
import { xor } from "@weft/data";
import { dense, meanSquaredError, sequential, softmaxCrossEntropy } from "@weft/nn";
import { sgd } from "@weft/optim";
import { expect, test } from "vitest";
import { defineJob, federated } from "weft";
import { resultPlot, resultTable, type Result } from "../src/simulate/report.ts";
import { remainingTime } from "../src/simulate/remaining.ts";
import { runSimulations } from "../src/simulate/runSimulations.ts";
import { parseStays } from "../src/simulate/stays.ts";
import { numberIn, parseVariation, variants, type Settings } from "../src/simulate/settings.ts";
import { usualMachines } from "@weft/simulator";

const { definition } = defineJob({
  name: "small",
  data: xor(),
  model: sequential(dense({ features: 2 })),
  loss: softmaxCrossEntropy,
  round: federated({
    local: { epochs: 1, batchSize: 2, optimizer: sgd({ learningRate: 0.1 }) },
    server: sgd({ learningRate: 1 }),
  }),
  stop: { rounds: 3 },
});
const base: Settings = { definition, workers: 10, machines: usualMachines };

test("every combination of values is run, named by what differs", () => {
  const runs = variants(base, ["cohort=0.1,20", "partition=iid", "rate=0.1,0.2"].map(parseVariation));
  expect(runs.map(({ name }) => name)).toEqual([
    "cohort 0.1, rate 0.1",
    "cohort 0.1, rate 0.2",
    "cohort 20, rate 0.1",
    "cohort 20, rate 0.2",
  ]);
  const [first, , third] = runs.map(({ settings }) => settings.definition.round);
  expect(first?.cohort).toEqual({ fraction: 0.1 });
  expect(third?.cohort).toEqual({ count: 20 });
  expect(first?.work).toMatchObject({ kind: "local", optimizer: { learningRate: 0.1 } });
});

test("codecs are named with their settings, each direction by itself", () => {
  const runs = variants({ ...base, definition: { ...definition, codec: "f16" } }, [
    parseVariation("codec=int4,topK:0.01,lowRank:4"),
    parseVariation("down=int8"),
  ]);
  expect(runs.map(({ settings }) => settings.definition.codec)).toEqual([
    { up: "int4", down: "int8" },
    { up: { kind: "topK", fraction: 0.01 }, down: "int8" },
    { up: { kind: "lowRank", rank: 4 }, down: "int8" },
  ]);
  expect(variants(base, [parseVariation("codec=int2")])[0]?.settings.definition.codec).toEqual({
    up: "int2",
    down: "f32",
  });
  expect(() => variants(base, [parseVariation("codec=topK:all")])).toThrow(/setting of codec topK is a number above 0/);
});

test("a knob that does not exist, or a value out of bounds, says what there is", () => {
  expect(() => parseVariation("speed=1")).toThrow(
    /expected NAME=VALUE,VALUE with a name of workers, partition, cohort/,
  );
  expect(() => parseVariation("cohort")).toThrow(/NAME=VALUE/);
  expect(() => variants(base, [parseVariation("partition=even")])).toThrow(/partition even: expected iid, shards:2/);
  expect(() => variants(base, [parseVariation("availability=2")])).toThrow(
    "availability is a number above 0 to 1, got 2",
  );
  expect(() => numberIn("--spread", "", { least: 0, most: 5 })).toThrow(
    "--spread is a number from 0 to 5, got nothing",
  );
});

test("a file of stays is read by machine, and a line that is none is named", () => {
  const text = "machine,from,to\nphone,10,20\nlaptop,0,30\nphone, 2 ,7.5\n";
  expect(parseStays(text, "t.csv")).toEqual({
    periodMs: 30_000,
    machines: [
      [
        [2000, 7500],
        [10_000, 20_000],
      ],
      [[0, 30_000]],
    ],
  });
  expect(() => parseStays("a,0,1\na,5,2", "t.csv")).toThrow(/--stays t.csv, line 2: .*FROM before TO; got a,5,2/);
  expect(() => parseStays("a,0,3\na,2,4", "t.csv")).toThrow("stays of machine a overlap");
  expect(() => parseStays("machine,from,to\n", "t.csv")).toThrow("names no machine");
});

test("what is wrong with the last of several runs is found before the first begins", async () => {
  const runs = variants(
    { ...base, definition: { ...definition, loss: meanSquaredError, model: dense({ features: 1 }) }, workers: 2 },
    [parseVariation("partition=iid,sizes:0.5,key:writer")],
  );
  const begun: string[] = [];
  const signal = new AbortController().signal;
  const onRound = (name: string) => void begun.push(name);
  await expect(runSimulations(runs, { threads: 1, seed: 0, signal, onRound })).rejects.toThrow(/no field writer/);
  expect(begun).toEqual([]);
});

test("the time left is that of the rounds to come, in this run and those after it", () => {
  let nowMs = 1000;
  const left = remainingTime([10, 20], () => nowMs);
  expect(left(0, 1)).toBeUndefined();
  nowMs += 4000;
  expect(left(0, 3)).toBe(2 * (7 + 20));
  expect(left(1, 1)).toBeUndefined();
  nowMs += 1000;
  expect(left(1, 2)).toBe(18);
  expect(remainingTime([undefined])(0, 2)).toBeUndefined();
});

function result(name: string, accuracies: readonly number[]): Result {
  const rounds = accuracies.map((accuracy, i) => ({
    ...{
      round: i + 1,
      timeMs: 60_000 * (i + 1),
      bytesUp: 8e7 * (i + 1),
      bytesDown: 9e7 * (i + 1),
      updates: 10,
      loss: 1,
    },
    ...{ metrics: {}, evaluated: { accuracy, loss: 1 - accuracy } },
  }));
  const outcome = { reason: "rounds", detail: "done", metrics: {}, rounds: 3 } as unknown as Simulation["outcome"];
  return { name, job: "small", workers: 10, machines: usualMachines, simulation: { rounds, outcome, seconds: 1 } };
}

test("the table tells last and best, and fits a terminal of 80 columns", () => {
  const long = "partition dirichlet:0.3, cohort 0.1, rate 0.05, spread 0.5, seed 3";
  const lines = resultTable([result("a", [0.5, 0.9, 0.8]), result(long, [0.1, 0.2, 0.3])], "accuracy");
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  expect(lines[1]).toMatch(/^a .* 3 +3:00 +240 MB +270 MB +80.00 % +90.00 %$/);
  expect(resultTable([result("a", [0.5, 0.9])], "loss")[1]).toMatch(/0.1000 +0.1000$/);
});

test("the plot has one legend entry for each run", () => {
  const svg = resultPlot([result("first", [0.5, 0.9]), result("second", [0.4, 0.6])], "accuracy");
  expect(svg.match(/>first</g)?.length).toBe(1);
  expect(svg.match(/>second</g)?.length).toBe(1);
});
