/** What a compiler would have said of a round's knobs, and what their types cannot say: the values that each may have. */
import { roundMisfit, type JobRound } from "@weft/protocol";
import { JobError } from "../errors.ts";

interface Knob {
  /** Its name in a definition. */
  readonly name: string;
  readonly expected: string;
}

const count = (of: string) => `a whole number of ${of} from 1`;
const share = "{ fraction } above 0 and up to 1, or { count } from 1";
const optimizer = "an optimiser, such as sgd({ learningRate: 0.1 })";

/** By their places in what travels. */
const knobs: Readonly<Record<string, Knob>> = {
  quorum: { name: "quorum", expected: share },
  deadlineMs: { name: "deadline", expected: "whole milliseconds from 1, or adaptive(k) with k above 0 and up to 1000" },
  cohort: {
    name: "cohort",
    expected:
      `${share}; beside it sampling: "uniform", "examples", "availability", "loss" or "speed", ` +
      "overSelect from 1 to 10, fairness: { maxShare, maxWait } from 1",
  },
  pace: {
    name: "pace",
    expected:
      "buffered({ size, maxStaleness, staleness }): whole numbers, size from 1 to 65,536 and maxStaleness from 0; " +
      "staleness: constant() or polynomial(exponent), above 0 and up to 10",
  },
  late: { name: "late", expected: '"refuse" or "buffer"' },
  balance: { name: "balance", expected: '"equal" or "speed"' },
  combine: { name: "combine", expected: "median(), or trimmedMean(fraction) of a fraction above 0 and below 0.5" },
  weighting: {
    name: "weighting",
    expected:
      '"examples", "uniform", normalized(), or fair({ q, lipschitz }) with q from 0 to 100 and lipschitz above 0',
  },
  normBound: { name: "normBound", expected: "a number above 0" },
  server: { name: "server", expected: optimizer },
  evaluation: {
    name: "evaluation",
    expected:
      '{ on: "coordinator", every } or { on: "workers", every, heldOut, cohort, quorum, deadlineMs }: ' +
      "every from 1 round, heldOut above 0 and below 1",
  },
  "work.batchSize": { name: "batchSize", expected: count("examples") },
  "work.microBatch": { name: "microBatch", expected: count("examples") },
  "work.epochs": { name: "local.epochs", expected: count("passes") },
  "work.steps": { name: "steps", expected: count("batches") },
  "work.optimizer": { name: "local.optimizer", expected: optimizer },
  "work.proximal": { name: "local.proximal", expected: "a number from 0" },
  "work.keepOptimizer": { name: "local.keepOptimizer", expected: "true or false" },
  "work.correction": { name: "local.correction", expected: "scaffold(), or fedDyn({ alpha }) with alpha above 0" },
  "work.streaming": {
    name: "streaming",
    expected: "{ fragments, mixing }: fragments a whole number from 1 to 10,000, mixing from 0 and below 1",
  },
};

/** What is wrong with the value of a knob, with what it may be; undefined where every one fits. */
export function roundProblem(round: JobRound): string | undefined {
  const path = roundMisfit(round);
  if (path === undefined) return undefined;
  const place = [path.slice(0, 2).join("."), path[0] ?? ""].find((known) => Object.hasOwn(knobs, known)) ?? "";
  const knob = knobs[place];
  if (knob === undefined) return `round.${path.join(".")} does not fit; see the knobs of a round in the README of weft`;
  const got = place.split(".").reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], round);
  return `${knob.name} is ${shown(got)}; expected ${knob.expected}`;
}

/** Where a knob is that is not the round's own, or not this round's. */
const elsewhere: Readonly<Record<string, string>> = {
  codec: "it is the job's own: codec: { up, down }",
  upload: "it is the job's codec: { up }",
  download: "it is the job's codec: { down }",
  rounds: "it goes into stop: { rounds }",
  epochs: "it goes into local: { epochs }, or for data-parallel rounds into stop: { epochs }",
  steps: "it goes into local: { steps }",
  batchSize: "it goes into local: { batchSize }",
  optimizer: "it goes into local: { optimizer }, and what steps the model is `server`",
  learningRate: "it goes into the optimiser: sgd({ learningRate })",
  momentum: "it goes into the optimiser: sgd({ learningRate, momentum })",
  proximal: "it goes into local: { proximal }",
  correction: "it goes into local: { correction }",
  streaming: "it goes into local: { streaming }, or diloco({ streaming })",
  local: "it is of federated rounds: federated({ local, server })",
  server: "it is of federated rounds: federated({ local, server })",
  weighting: "it is of federated rounds; gradients weigh by their examples",
  personal: "it is of federated rounds: federated({ personal })",
  partition: "it is of federated rounds; a batch is cut into slices of the whole set",
};

/**
 * Job files run as they are, checked by no compiler: a knob that nobody knows would be left out in silence.
 *
 * @throws {JobError} naming the knobs there are
 */
export function checkKnobs(call: string, given: object, known: Readonly<Record<string, true>>): void {
  const unknown = Object.entries(given).find(([name, value]) => value !== undefined && !Object.hasOwn(known, name));
  if (unknown === undefined) return;
  const [name] = unknown;
  const remedy = elsewhere[name] ?? `there are ${Object.keys(known).join(", ")}`;
  throw new JobError(`${call} has no knob ${name}; ${remedy}`);
}

function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "number") return String(value);
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
