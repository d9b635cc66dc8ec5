/** Every refusal of a combination applies to a job of its kind, says what to change, and leaves sound jobs alone. */
import {
  encodeJob,
  type Combined,
  type JobDocument,
  type JobDraft,
  type JobRound,
  type LocalJobWork,
  refusalOf,
  refusals,
} from "@weft/protocol";
import { describe, expect, test } from "vitest";
import { draft, programs } from "./samples.ts";

const gradient: JobRound = draft.round;
const local: JobRound = {
  ...gradient,
  work: { kind: "local", epochs: 1, batchSize: 10, optimizer: { name: "sgd" } },
};
const buffered = { kind: "buffered", size: 4, staleness: { kind: "polynomial", exponent: 0.5 } } as const;

const sgd = { name: "sgd", learningRate: 0.1 } as const;
const training = (changes: Partial<LocalJobWork>): JobRound => ({
  ...local,
  work: { kind: "local", epochs: 1, batchSize: 10, optimizer: sgd, ...changes },
  server: { name: "sgd", learningRate: 1 },
});
const f16 = { kind: "f16" } as const;
const personal: JobDocument["parameters"] = [
  { name: "shared", shape: [1], kind: "weight" },
  { name: "own", shape: [1], kind: "weight", local: true },
];

const job = (round: JobRound, changes: Partial<Combined> = {}): Combined => ({
  round,
  stop: { rounds: 1 },
  examples: 100,
  ...changes,
});

const f32 = { kind: "f32" } as const;
const drafted = ({ examples = draft.examples, ...combined }: Combined): JobDraft => ({
  ...draft,
  codec: { up: f32, down: f32 },
  ...combined,
  examples,
});

const unsound: Record<string, Combined> = {
  "a buffered pace with a quorum": job({ ...local, pace: buffered, quorum: { count: 3 } }),
  "a buffered pace with over-selection": job({ ...local, pace: buffered, cohort: { count: 3, overSelect: 1.3 } }),
  "a buffered pace with a rule for late updates": job({ ...local, pace: buffered, late: "refuse" }),
  "a buffered pace with fairness": job({
    ...local,
    pace: buffered,
    cohort: { count: 3, fairness: { maxShare: 2, maxWait: 9 } },
  }),
  "a buffered pace with balanced slices": job({ ...gradient, pace: buffered, balance: "speed" }),
  "a quorum larger than the cohort": job({ ...local, cohort: { count: 3 }, quorum: { count: 5 } }),
  "a buffer larger than the batch": job({ ...gradient, pace: { ...buffered, size: 65 } }),
  "local work of unequal length": job({ ...local, balance: "speed" }),
  "balanced slices that weigh the same": job({ ...gradient, balance: "speed", weighting: "uniform" }),
  "sampling where everyone is invited": job({ ...local, cohort: { fraction: 1, sampling: "speed" } }),
  "over-selection where everyone is invited": job({ ...local, cohort: { fraction: 1, overSelect: 1.3 } }),
  "a wait shorter than a turn": job({
    ...local,
    cohort: { fraction: 0.1, sampling: "loss", fairness: { maxShare: 2, maxWait: 9 } },
  }),
  "sampling by data nobody owns": job({ ...gradient, cohort: { fraction: 0.5, sampling: "loss" } }),
  "examples that count twice": job({ ...local, cohort: { fraction: 0.5, sampling: "examples" } }),
  "evaluation on workers without data": job({ ...gradient, evaluation: { on: "workers", every: 1 } }),
  "patience without evaluations": job(local, { stop: { patience: { metric: "loss", evaluations: 3 } } }),
  "a target checked between evaluations": job(
    { ...local, evaluation: { on: "workers", every: 2 } },
    { stop: { target: { metric: "loss", value: 1, every: 3 } } },
  ),
  "local work of no length, or of two": job(training({ steps: 3 })),
  "parts larger than the batch": job({ ...gradient, work: { kind: "gradient", batchSize: 8, microBatch: 9 } }),
  "weights that only local work has": job({ ...gradient, weighting: { kind: "normalized" } }),
  "weights across versions": job({ ...local, pace: buffered, weighting: { kind: "fair", q: 1, lipschitz: 1 } }),
  "steps that cannot be counted": job({
    ...training({ optimizer: { ...sgd, momentum: 0.9, nesterov: true } }),
    weighting: { kind: "normalized" },
  }),
  "a correction across versions": job({ ...training({ correction: { kind: "scaffold" } }), late: "buffer" }),
  "a correction under other weights": job({
    ...training({ correction: { kind: "scaffold" } }),
    weighting: { kind: "normalized" },
  }),
  "a correction and a proximal pull": job(training({ correction: { kind: "feddyn", alpha: 0.1 }, proximal: 0.1 })),
  "control variates of other steps than sgd's": job(
    training({ correction: { kind: "scaffold" }, optimizer: { name: "adam", learningRate: 0.1 } }),
  ),
  "a correction through a codec that owes": job(training({ correction: { kind: "scaffold" } }), {
    codec: { up: { kind: "topK", fraction: 0.1 }, down: { kind: "f32" } },
  }),
  "a server optimiser beside FedDyn's own step": job({
    ...training({ correction: { kind: "feddyn", alpha: 0.1 } }),
    server: { name: "adam", learningRate: 0.1 },
  }),
  "streaming across versions": job({ ...training({ streaming: { fragments: 2 } }), late: "buffer" }),
  "streaming with a pull or a correction": job(training({ streaming: { fragments: 2 }, proximal: 0.1 })),
  "streaming under other weights": job({
    ...training({ streaming: { fragments: 2 } }),
    weighting: { kind: "fair", q: 1, lipschitz: 1 },
  }),
  "more fragments than parameters": job(training({ streaming: { fragments: 2 } }), {
    parameters: [...personal, { name: "empty", shape: [0, 3], kind: "weight" }],
  }),
  "weights in an order statistic": job({ ...local, combine: { kind: "median" }, weighting: "examples" }),
  "discounts in an order statistic": job({
    ...local,
    combine: { kind: "trimmedMean", fraction: 0.1 },
    weighting: "uniform",
    late: "buffer",
  }),
  "a correction of an order statistic": job({
    ...training({ correction: { kind: "scaffold" } }),
    combine: { kind: "median" },
    weighting: "uniform",
  }),
  "statistics under other weights": job(
    { ...local, weighting: { kind: "fair", q: 1, lipschitz: 1 } },
    { parameters: [...personal, { name: "mean", shape: [1], kind: "statistic" }] },
  ),
  "own parameters without local work": job(gradient, { parameters: personal }),
  "nothing to share": job(local, { parameters: personal.map((parameter) => ({ ...parameter, local: true })) }),
  "own parameters measured elsewhere": job(
    { ...local, evaluation: { on: "coordinator", every: 1 } },
    { parameters: personal },
  ),
};

describe("a combination is refused, with what to change:", () => {
  test.each(refusals.map((refusal) => [refusal.name, refusal] as const))("%s", (name, { reason, applies, got }) => {
    const combined = unsound[name]!;
    expect(applies(combined)).toBe(true);
    const figures = got?.(combined);
    expect(refusalOf(combined)).toBe(`${name}${figures === undefined ? "" : ` (${figures})`}: ${reason}`);
    if (figures !== undefined) expect(figures).toMatch(/\d.*\d/);
    expect(() => encodeJob(drafted(combined), programs)).toThrow(`job: ${name}`);
  });

  test("and the table of examples names no other", () => {
    expect(Object.keys(unsound)).toEqual(refusals.map(({ name }) => name));
  });
});

test.each<[string, Combined]>([
  ["data-parallel rounds", job(gradient)],
  ["backup workers whose updates are kept", job({ ...gradient, quorum: { count: 3 }, late: "buffer" })],
  ["slices by speed", job({ ...gradient, balance: "speed" })],
  ["asynchronous SGD", job({ ...gradient, pace: { kind: "buffered", size: 1, staleness: { kind: "constant" } } })],
  ["stale-synchronous rounds", job({ ...gradient, pace: { ...buffered, maxStaleness: 3 } })],
  ["FedBuff over a limited number at work", job({ ...local, pace: buffered, cohort: { count: 8, sampling: "speed" } })],
  ["over-selection", job({ ...local, cohort: { fraction: 0.1, overSelect: 1.3 }, late: "buffer" })],
  [
    "the slow and the lossy first, within fairness",
    job({ ...local, cohort: { fraction: 0.1, sampling: "loss", fairness: { maxShare: 3, maxWait: 30 } } }),
  ],
  [
    "sampling by examples under equal weights",
    job({ ...local, weighting: "uniform", cohort: { count: 3, sampling: "examples" } }),
  ],
  [
    "evaluation on workers with patience",
    job(
      { ...local, evaluation: { on: "workers", every: 5, heldOut: 0.2, quorum: { fraction: 0.8 } } },
      { stop: { patience: { metric: "accuracy", evaluations: 3, minDelta: 0.01 } } },
    ),
  ],
  ["FedProx of a few steps", job(training({ epochs: undefined, steps: 5, proximal: 0.1 }))],
  ["SCAFFOLD through f16", job(training({ correction: { kind: "scaffold" } }), { codec: { up: f16, down: f16 } })],
  ["FedDyn", job(training({ correction: { kind: "feddyn", alpha: 0.1 } }))],
  [
    "FedNova with momentum",
    job({ ...training({ optimizer: { ...sgd, momentum: 0.9 } }), weighting: { kind: "normalized" } }),
  ],
  [
    "FedNova with fewer steps for the slow",
    job({ ...training({ epochs: undefined, steps: 20 }), weighting: { kind: "normalized" }, balance: "speed" }),
  ],
  ["q-FedAvg", job({ ...local, weighting: { kind: "fair", q: 1, lipschitz: 10 } })],
  ["DiLoCo", job(training({ epochs: undefined, steps: 50, keepOptimizer: true, optimizer: { name: "adamw" } }))],
  [
    "own parameters measured by workers",
    job({ ...local, evaluation: { on: "workers", every: 1, heldOut: 0.2 } }, { parameters: personal }),
  ],
])("sound: %s", (_, combined) => {
  expect(refusalOf(combined)).toBeUndefined();
  expect(() => encodeJob(drafted(combined), programs)).not.toThrow();
});

test("patience with a metric that nobody measures is refused", () => {
  const stop = { patience: { metric: "perplexity", evaluations: 2 } };
  const round = { ...gradient, evaluation: { on: "coordinator", every: 1 } } as const;
  expect(() => encodeJob({ ...draft, round, stop }, programs)).toThrow('stop.patience names "perplexity"');
});
