/**
 * The versions that a run makes, as its rules define them from the updates counted: mean or order statistic, the server's optimiser,
 * and what follows the mean in other ways; spelt out a second time, in plain loops.
 */
import { hash } from "node:crypto";
import type { RunEffect } from "@weft/coordinator";
import { fragmentOf, type JobRound, type JobWeighting } from "@weft/protocol";
import { createGrid, decodeVector, encodeVector } from "@weft/vector";
import type { CheckedJob } from "@weft/worker";
import { normBound } from "./knobs.ts";
import type { Expected } from "./workerBooks.ts";

export interface Counted {
  readonly expected: Expected;
  /** Beside a fresh update's weight. */
  readonly discount: number;
}

/** What the open sums were opened for. */
export interface Room {
  readonly contributions: number;
  /** The most examples that an update may stand for. */
  readonly most: number;
  readonly discounts: boolean;
}

export interface Version {
  /** As the coordinator has it, and as workers decode what they are sent of it. */
  readonly weights: Float32Array;
  readonly travelled: Float32Array;
  /** Of what is sent. */
  readonly hash: string;
  readonly server: ServerState;
}

interface ServerState {
  /** The optimiser's, element by element, and its count of steps for each fragment. */
  readonly first: Float32Array;
  readonly second: Float32Array;
  readonly steps: readonly number[];
  /** FedDyn's. */
  readonly memory: Float32Array;
}

/** Weights are whole numbers; where updates are discounted, a fresh example weighs so much. */
const unit = 1024;
const f = Math.fround;

export class ServerBooks {
  readonly #job: CheckedJob;

  constructor(job: CheckedJob) {
    this.#job = job;
  }

  /** Version 0. */
  begin(weights: Float32Array): Version {
    const zeros = new Float32Array(weights.length);
    const steps = this.#job.fragments.map(() => 0);
    return this.#published(weights, { first: zeros, second: zeros, steps, memory: zeros });
  }

  next(
    before: Version,
    { round, progress, learningRate }: Extract<RunEffect, { kind: "commit" }>,
    counted: readonly Counted[],
    room: Room,
  ): Version {
    const { document, fragments } = this.#job;
    const { combine = { kind: "mean" }, weighting } = document.round;
    const part = fragmentOf(round, fragments.length);
    const update = combine.kind === "mean" ? this.#mean(counted, room) : ordered(counted, combine);
    const share = shareOf(counted, weighting, progress.population);
    const rate = learningRate ?? Number(document.round.server["learningRate"]);
    return this.#stepped(before, { part, update, share, rate });
  }

  #mean(counted: readonly Counted[], { contributions, most, discounts }: Room): Float32Array {
    const { weighting, pace } = this.#job.document.round;
    const isUniform = weighting === "uniform" || (typeof weighting === "object" && weighting.kind === "fair");
    const fresh = discounts ? unit : 1;
    const grid = { contributions, bound: normBound, maxWeight: (isUniform ? 1 : Math.max(1, most)) * fresh };
    const raise = 1.5 * 2 ** 52 * createGrid(grid).quantum;
    const sums = new Float64Array(counted[0]?.expected.values.length ?? 0);
    let [total, undiscounted] = [0, 0];
    for (const { expected, discount } of counted) {
      const examples = isUniform ? 1 : expected.weight;
      const weight = examples * Math.max(1, Math.round(fresh * discount));
      for (const [i, value] of expected.values.entries()) sums[i]! += weight * value + raise - raise;
      total += weight;
      undiscounted += examples * fresh;
    }
    // A buffer of old updates makes a smaller step.
    const divisor = pace?.kind === "buffered" ? undiscounted : total;
    const scale = scaleOf(counted, weighting);
    return Float32Array.from(sums, (sum) => (scale === 1 ? sum / divisor : f(sum / divisor) * scale));
  }

  #stepped(
    { weights: before, server }: Version,
    { part, update, share, rate }: { part: number; update: Float32Array; share: number; rate: number },
  ): Version {
    const { work, server: spec } = this.#job.document.round;
    const { start, end } = this.#job.fragments[part]!;
    const weights = before.slice();
    const [first, second, memory] = [server.first.slice(), server.second.slice(), server.memory.slice()];
    const steps = server.steps.with(part, server.steps[part]! + 1);
    const remembers = work.kind === "local" && work.correction?.kind === "feddyn";
    const kinds = this.#kinds();
    for (let i = start; i < end; i++) {
      const change = update[i - start]!;
      // The optimiser steps statistics as well, though what it makes of them is not taken.
      if (kinds[i] === "control") {
        weights[i] = before[i]! - f(share * change);
        continue;
      }
      if (remembers) memory[i] = memory[i]! + f(share * change);
      const gradient = remembers ? f(change + memory[i]!) : change;
      const stepped = stepOf(spec, { gradient, rate, step: steps[part]!, at: i, first, second });
      weights[i] = kinds[i] === "statistic" ? before[i]! - change : before[i]! - stepped;
    }
    return this.#published(weights, { first, second, steps, memory });
  }

  #kinds(): readonly string[] {
    return this.#job.shared.entries.flatMap(({ kind = "weight", shape }) =>
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => kind as string),
    );
  }

  #published(weights: Float32Array, server: ServerState): Version {
    const { down } = this.#job.codecs;
    const { bytes } = encodeVector(down, weights, { seed: 0 });
    const travelled = new Float32Array(weights.length);
    decodeVector(down, bytes, travelled);
    return { weights, travelled, hash: hash("sha256", bytes, "hex"), server };
  }
}

/** Median, or the mean of what is left without the least and the greatest. */
function ordered(counted: readonly Counted[], combine: Exclude<JobRound["combine"], undefined>): Float32Array {
  const n = counted.length;
  const cut = combine.kind === "trimmedMean" ? Math.floor(combine.fraction * n) : Math.ceil(n / 2) - 1;
  const [first] = counted;
  return Float32Array.from(first?.expected.values ?? [], (_, i) => {
    const column = counted
      .map(({ expected }) => expected.values[i]!)
      .sort((a, b) => a - b || (Object.is(a, -0) ? -1 : 1));
    const kept = column.slice(cut, n - cut);
    return kept.reduce((sum, value) => sum + value, 0) / kept.length;
  });
}

const sum = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b).reduce((total, value) => total + value, 0);

/** What the mean is multiplied by under FedNova and q-FedAvg. */
function scaleOf(counted: readonly Counted[], weighting: JobWeighting): number {
  if (typeof weighting === "string") return 1;
  const all = counted.map(({ expected }) => expected);
  if (weighting.kind === "fair") return all.length / sum(all.map(({ curvature }) => curvature));
  return sum(all.map(({ weight, effort }) => weight * effort)) / sum(all.map(({ weight }) => weight));
}

/** The part of all workers, or of their examples, that took this step. */
function shareOf(
  counted: readonly Counted[],
  weighting: JobWeighting,
  population: { readonly workers: number; readonly examples: number } | undefined,
): number {
  if (population === undefined) return 1;
  const examples = counted.reduce((total, { expected }) => total + expected.weight, 0);
  const [part, whole] =
    weighting === "uniform" ? [counted.length, population.workers] : [examples, population.examples];
  return Math.min(1, part / Math.max(1, whole));
}

interface StepOfOne {
  readonly gradient: number;
  readonly rate: number;
  /** From 1. */
  readonly step: number;
  readonly at: number;
  readonly first: Float32Array;
  readonly second: Float32Array;
}

/** What is taken off one element: sgd with momentum (Sutskever et al. 2013), or Adam (Kingma and Ba 2015), each operation in f32. */
function stepOf(spec: JobRound["server"], { gradient, rate, step, at, first, second }: StepOfOne): number {
  if (spec["name"] === "adam") {
    const [beta1, beta2] = [0.9, 0.999];
    first[at] = f(first[at]! * f(beta1)) + f(gradient * f(1 - beta1));
    second[at] = f(second[at]! * f(beta2)) + f(f(gradient * gradient) * f(1 - beta2));
    const left = (beta: number) => f(1 / -f(Math.expm1(f(step * f(Math.log(beta))))));
    const root = f(f(Math.sqrt(f(second[at] * left(beta2)))) + f(1e-8));
    return f(f(first[at] * f(left(beta1) * f(rate))) / root);
  }
  const momentum = Number(spec["momentum"] ?? 0);
  if (momentum === 0) return f(gradient * f(rate));
  first[at] = f(first[at]! * f(momentum)) + gradient;
  const direction = spec["nesterov"] === true ? f(gradient + f(first[at] * f(momentum))) : first[at];
  return f(direction * f(rate));
}
