/** Definitions that cannot work are refused when they are made, with what to change. */
import { digits, syntheticRegression } from "@weft/data";
import { accuracy, dense, flatten, meanSquaredError, relu, sequential, softmaxCrossEntropy } from "@weft/nn";
import { adam, sgd } from "@weft/optim";
import { decodeJob } from "@weft/protocol";
import { checkJob } from "@weft/worker";
import { describe, expect, test } from "vitest";
import type { JobDefinition } from "weft";
import { adaptive, asynchronous, buffered, buildJob, dataParallel, defineJob, federated, shards } from "weft";

const definition: JobDefinition = {
  name: "digits",
  data: digits(),
  model: sequential(flatten, dense({ features: 8 }), relu, dense({ features: 10 })),
  loss: softmaxCrossEntropy,
  metrics: { accuracy },
  round: dataParallel({ batchSize: 32, optimizer: adam({ learningRate: 1e-3 }) }),
  stop: { epochs: 1 },
};

const local = { epochs: 1, batchSize: 8, optimizer: sgd({ learningRate: 0.1 }) };
const server = sgd({ learningRate: 1 });

describe("knobs of a round are refused", () => {
  const batches = { batchSize: 32, optimizer: adam({ learningRate: 1e-3 }) };
  const withRound = (round: JobDefinition["round"]) => () => defineJob({ ...definition, round, stop: { rounds: 1 } });
  const share = /expected \{ fraction \} above 0 and up to 1, or \{ count \} from 1/;
  const values: [string, () => unknown, RegExp[]][] = [
    [
      "a quorum of nobody",
      withRound(federated({ local, server, quorum: { count: 0 } })),
      [/quorum is {"count":0};/, share],
    ],
    [
      "a quorum above the cohort",
      withRound(federated({ local, server, cohort: { count: 3 }, quorum: { count: 5 } })),
      [/\(quorum { count: 5 }, cohort { count: 3 }\): .* lower `quorum` or raise `cohort`/],
    ],
    [
      "a negative deadline",
      withRound(dataParallel({ ...batches, deadline: -5 })),
      [/deadline is -5; expected whole milli/],
    ],
    ["no number at all", withRound(dataParallel({ ...batches, deadline: NaN })), [/deadline is NaN; expected/]],
    [
      "half an example",
      withRound(dataParallel({ ...batches, batchSize: 2.5 })),
      [/batchSize is 2.5; expected a whole/],
    ],
    [
      "passes that are none",
      withRound(federated({ server, local: { ...local, epochs: 0 } })),
      [/local\.epochs is 0; expected a whole number of passes from 1/],
    ],
    [
      "a buffer of nothing",
      withRound(federated({ local, server, pace: buffered({ size: 0 }) })),
      [/pace is .*"size":0.*; expected buffered\(/],
    ],
    ["shares that are none", withRound(federated({ local, server, partition: shards(0) })), [/shards\(0\); expected/]],
  ];
  test.each(values)("%s", (_name, define, patterns) => {
    for (const pattern of patterns) expect(define).toThrow(pattern);
  });

  // What a compiler would have refused: job files are also written in JavaScript.
  const misspelt: [string, () => unknown, RegExp][] = [
    [
      "one that is nowhere",
      () => dataParallel({ ...batches, quorums: 3 } as never),
      /no knob quorums; there are batchSize,/,
    ],
    [
      "the codec's",
      () => federated({ local, server, upload: "int4" } as never),
      /no knob upload; it is the job's codec/,
    ],
    ["of other rounds", () => dataParallel({ ...batches, weighting: "uniform" } as never), /it is of federated rounds/],
    [
      "of local work",
      () => federated({ server, local: { ...local, mu: 1 } } as never),
      /local has no knob mu; there are epochs/,
    ],
    ["none at all for the server", () => federated({ local } as never), /server is missing; expected an optimiser/],
    ["none at all for the workers", () => federated({ server } as never), /local is missing; expected local: {/],
    [
      "an optimiser's name",
      () => dataParallel({ batchSize: 1, optimizer: "adam" } as never),
      /optimizer is "adam"; expected/,
    ],
  ];
  test.each(misspelt)("misspelt: %s", (_name, define, pattern) => {
    expect(define).toThrow(pattern);
  });
});

describe("a definition is refused", () => {
  const cases: [string, Partial<JobDefinition>, RegExp][] = [
    ["without an end", { stop: {} }, /would never end; give stop/],
    ["with a name that is no file name", { name: "a/b" }, /letters, digits/],
    ["with half a round", { stop: { rounds: 2.5 } }, /stop\.rounds is 2\.5; expected a whole number/],
    ["with an end misspelt", { stop: { rounds: 2, epoch: 1 } as never }, /stop has no epoch; there are rounds, epochs/],
    ["with rounds that are none", { stop: { rounds: 0 } }, /stop\.rounds is 0; expected a positive number/],
    [
      "with a target nobody measures",
      { stop: { target: { metric: "f1", value: 1 } } },
      /f1; expected one of loss, accuracy/,
    ],
    ["with a metric called loss", { metrics: { loss: accuracy } }, /may not be called loss/],
    [
      "with knobs that contradict each other",
      { round: federated({ local, server, pace: buffered({ size: 4 }), quorum: { count: 3 } }), stop: { rounds: 1 } },
      /a buffered pace with a quorum: .* leave `quorum` out/,
    ],
    [
      "with patience for a metric nobody measures",
      { stop: { epochs: 1, patience: { metric: "f1", evaluations: 2 } } },
      /stop\.patience names metric f1/,
    ],
    [
      "with patience and no evaluations",
      { stop: { epochs: 1, patience: { metric: "loss", evaluations: 2 } } },
      /give `evaluation`/,
    ],
    [
      "with epochs over federated rounds",
      {
        round: federated({
          local: { epochs: 1, batchSize: 8, optimizer: sgd({ learningRate: 0.1 }) },
          server: sgd({ learningRate: 1 }),
        }),
      },
      /use stop: \{ rounds \}/,
    ],
  ];
  for (const [what, changes, message] of cases) {
    test(what, () => {
      expect(() => defineJob({ ...definition, ...changes })).toThrow(message);
    });
  }
});

test("a job is traced for the shares of its batch among up to 16 workers", async () => {
  const encoded = buildJob(defineJob(definition), await digits().load());
  const { document } = decodeJob(encoded);
  expect(document.programs.loss.map(({ batch }) => batch)).toEqual([2, 3, 4, 5, 6, 7, 8, 11, 16, 32]);
  expect(checkJob(encoded).manifest.entries.map(({ name }) => name)).toEqual([
    "dense.kernel",
    "dense.bias",
    "dense_1.kernel",
    "dense_1.bias",
  ]);
});

test("the same definition gives the same bytes", async () => {
  const data = await digits().load();
  expect(buildJob(defineJob(definition), data)).toEqual(buildJob(defineJob(definition), data));
});

test("a model with fewer logits than the data has classes is refused, by name or through its metric", async () => {
  const data = await digits().load();
  const nine = { ...definition, model: sequential(flatten, dense({ features: 9 })) };
  const message = /job digits: the data has classes 0 to 9, but the model gives 9 logits; .* features: 10/;
  expect(() => buildJob(defineJob(nine), data)).toThrow(message);
  const smoothed: JobDefinition["loss"] = (x, y) => softmaxCrossEntropy(x, y, { labelSmoothing: 0.1 });
  expect(() => buildJob(defineJob({ ...nine, loss: smoothed }), data)).toThrow(message);
  // What another loss makes of labels is its own affair.
  expect(() => buildJob(defineJob({ ...nine, loss: smoothed, metrics: {} }), data)).not.toThrow();
});

describe("what a compiler would have refused is refused, with a remedy:", () => {
  const misfits: readonly (readonly [string, object, RegExp])[] = [
    ["data not called", { data: digits }, /data is a function, expected a source of data; call it: digits\(…\)/],
    ["data in a promise", { data: digits().load() }, /data is a promise \(await it\)/],
    ["no model", { model: undefined }, /model is undefined, expected a layer/],
    ["a loss by name", { loss: "mse" }, /loss is "mse", expected a function/],
    [
      "metrics by name",
      { metrics: ["accuracy"] },
      /metrics is a list, expected functions by name, such as { accuracy }/,
    ],
    ["no round", { round: undefined }, /round is undefined, expected dataParallel/],
    ["no stop", { stop: undefined }, /stop is undefined; give stop: { epochs }/],
    ["an augmentation by name", { augment: "flip" }, /augment is "flip", expected functions/],
    [
      "an optimiser elsewhere",
      { optimizer: sgd({ learningRate: 1 }) },
      /no optimizer in a job; it goes into the round/,
    ],
    ["anything else", { gpus: 8 }, /there is no gpus in a job; expected only name, data/],
  ];
  test.each(misfits)("%s", (_, change, message) => {
    expect(() => defineJob({ ...definition, ...change })).toThrow(message);
  });
});

test("a loss that does not fit the model names job and shapes", async () => {
  const data = await syntheticRegression({ examples: 20, features: 3, noise: 0, seed: 1 }).load();
  const job = defineJob({
    ...definition,
    data: syntheticRegression({ examples: 20, features: 3, noise: 0, seed: 1 }),
    model: dense({ features: 2 }),
    loss: meanSquaredError,
    metrics: {},
  });
  expect(() => buildJob(job, data)).toThrow(/job digits: .*\[1, ?2\].*\[1, ?1\]|job digits: .*shape/);
});

test("the knobs of paces, sampling and evaluation travel as they are given", async () => {
  const evaluation = { on: "workers", every: 5, heldOut: 0.2 } as const;
  const cohort = { count: 3, sampling: "loss", fairness: { maxShare: 2, maxWait: 20 }, overSelect: 1.3 } as const;
  const sampled = federated({ local, server, cohort, evaluation, late: "buffer", deadline: adaptive(3) });
  const stop = { rounds: 9, target: { metric: "accuracy", value: 0.9 }, patience: { metric: "loss", evaluations: 4 } };
  const data = await digits().load();
  const { document } = decodeJob(buildJob(defineJob({ ...definition, round: sampled, stop }), data));
  expect(document.round).toMatchObject({ cohort, evaluation, late: "buffer", deadlineMs: { deviations: 3 } });
  // A target is checked where there are evaluations.
  expect(document.stop).toEqual({ ...stop, target: { ...stop.target, every: 5 } });
  const optimizer = sgd({ learningRate: 0.1 });
  const free = { ...definition, round: asynchronous({ batchSize: 32, optimizer, maxStaleness: 4 }) };
  const built = decodeJob(buildJob(defineJob(free), data)).document.round;
  expect(built.pace).toEqual({ kind: "buffered", size: 1, maxStaleness: 4, staleness: { kind: "constant" } });
  // Every order of a buffered pace has the same part of the batch, but at an epoch's end.
  expect(decodeJob(buildJob(defineJob(free), data)).document.programs.loss.map(({ batch }) => batch)).toEqual([32]);
  expect(Object.keys(decodeJob(buildJob(defineJob(definition), data)).document.round)).not.toContain("pace");
});
