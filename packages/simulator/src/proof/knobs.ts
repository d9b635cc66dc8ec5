/** Every rule that a job may set, drawn: what contradicts itself is drawn again, as the protocol refuses it. */
import { type JobCombine, type JobDocument, type JobRound, type LocalJobWork, refusalOf } from "@weft/protocol";
import type { Random } from "../random.ts";

/** What the model is made of beside plain weights. */
export type ModelKind = "weights" | "statistic" | "personal";

/** What of a job is drawn. */
export interface JobKnobs {
  readonly round: Omit<JobRound, "normBound">;
  readonly codec: JobDocument["codec"];
  readonly model: ModelKind;
  /** Examples that the coordinator serves; 0 where every worker brings its own. */
  readonly examples: number;
  readonly rounds: number;
  readonly seed: number;
}

type Round = Omit<JobRound, "normBound">;
type Draw<T> = (random: Random, drawn: Pick<Round, "work" | "pace">) => T | undefined;

/** One draw for each knob of a round: one that is new in the protocol does not compile until it is drawn here. */
const draws: { readonly [K in keyof Required<Omit<Round, "work" | "pace">>]: Draw<Round[K]> } = {
  cohort: (random) => {
    const cohort = random.pick([{ fraction: 1 }, { fraction: 1 }, { fraction: 0.5 }, { count: 2 }]);
    if ("fraction" in cohort && cohort.fraction === 1) return cohort;
    const sampling = random.chance(0.4)
      ? { sampling: random.pick(["examples", "availability", "loss", "speed"] as const) }
      : {};
    const fairness = random.chance(0.25) ? { fairness: { maxShare: random.pick([1, 2]), maxWait: 2 } } : {};
    return { ...cohort, ...sampling, ...fairness, ...(random.chance(0.3) ? { overSelect: 1.5 } : {}) };
  },
  quorum: (random, { pace }) =>
    pace?.kind === "buffered"
      ? { fraction: 1 }
      : random.pick([{ fraction: 1 }, { fraction: 1 }, { fraction: 0.6 }, { count: 1 }]),
  deadlineMs: (random) =>
    random.chance(0.1) ? { deviations: 4 } : random.pick([400, 1500, 5000, 1500, 5000, "adaptive"] as const),
  late: (random) => (random.chance(0.3) ? "buffer" : random.pick([undefined, "refuse"] as const)),
  balance: (random) => (random.chance(0.15) ? "speed" : random.pick([undefined, "equal"] as const)),
  weighting: (random) =>
    random.chance(0.7)
      ? random.pick(["examples", "uniform"] as const)
      : random.pick([{ kind: "normalized" }, { kind: "fair", q: 2, lipschitz: 1 }] as const),
  combine: (random) =>
    random.chance(0.75)
      ? random.pick([undefined, { kind: "mean" }] as const)
      : random.pick<JobCombine>([{ kind: "median" }, { kind: "trimmedMean", fraction: 0.34 }]),
  server: (random) =>
    random.pick<Round["server"]>([
      { name: "sgd", learningRate: 1 },
      { name: "sgd", learningRate: 1 },
      { name: "sgd", learningRate: 0.5, momentum: 0.9 },
      { name: "sgd", learningRate: 0.7, momentum: 0.9, nesterov: true },
      { name: "adam", learningRate: 0.05 },
    ]),
  evaluation: (random) => {
    if (random.chance(0.7)) return undefined;
    const every = 1 + random.below(2);
    if (random.chance(0.3)) return { on: "coordinator", every };
    return {
      ...{ on: "workers", every, heldOut: 0.25 },
      ...(random.chance(0.4) ? { cohort: { fraction: 0.6 } } : {}),
      ...(random.chance(0.4) ? { quorum: { fraction: 0.5 } } : {}),
      ...(random.chance(0.5) ? { deadlineMs: random.pick([500, 3000]) } : {}),
    };
  },
};

export function drawKnobs(random: Random, rounds: number): JobKnobs {
  for (;;) {
    const knobs = drawOnce(random, rounds);
    if (isSound(knobs)) return knobs;
  }
}

/** Whether the protocol takes these rules together. */
export function isSound(knobs: JobKnobs): boolean {
  const { round, codec, model, examples } = knobs;
  const job = { round: { ...round, normBound }, stop: stopOf(knobs), codec, examples, parameters: parametersOf(model) };
  return refusalOf(job) === undefined;
}

/** Large beside every honest update, small beside what a liar says. */
export const normBound = 256;

function drawOnce(random: Random, rounds: number): JobKnobs {
  const work = random.chance(0.45) ? drawGradient(random) : drawLocal(random);
  const pace = random.chance(0.25) ? drawBuffered(random) : random.pick([undefined, { kind: "synchronous" }] as const);
  const others = Object.entries(draws).flatMap(([name, draw]) => {
    const value = draw(random, { work, pace });
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    // Complete, for every knob that must be there is drawn above.
    round: { work, ...(pace === undefined ? {} : { pace }), ...Object.fromEntries(others) } as unknown as Round,
    codec: drawCodec(random),
    model: random.pick(["weights", "weights", "weights", "statistic", "personal"] as const),
    examples: random.chance(0.85) ? 60 : 0,
    rounds,
    seed: random.below(4),
  };
}

function drawGradient(random: Random): Round["work"] {
  const microBatch = random.chance(0.2) ? { microBatch: 2 } : {};
  return { kind: "gradient", batchSize: random.pick([4, 12]), ...microBatch };
}

function drawLocal(random: Random): LocalJobWork {
  const rule = random.below(10);
  return {
    kind: "local",
    ...(random.chance(0.5) ? { epochs: 1 + random.below(2) } : { steps: random.pick([1, 4]) }),
    batchSize: random.pick([4, 10]),
    optimizer: { name: "sgd", learningRate: 0.5, ...(random.chance(0.2) ? { momentum: 0.5 } : {}) },
    ...(random.chance(0.3) ? { keepOptimizer: true } : {}),
    ...(rule < 2
      ? { streaming: { fragments: 2 + random.below(2), ...(random.chance(0.5) ? { mixing: 0.5 } : {}) } }
      : {}),
    ...(rule === 2 ? { correction: { kind: "scaffold" } } : {}),
    ...(rule === 3 ? { correction: { kind: "feddyn", alpha: 0.1 } } : {}),
    ...(rule === 4 ? { proximal: 0.1 } : {}),
  };
}

function drawBuffered(random: Random): Round["pace"] {
  return {
    kind: "buffered",
    size: 1 + random.below(3),
    staleness: random.pick([{ kind: "constant" }, { kind: "polynomial", exponent: 0.5 }] as const),
    ...(random.chance(0.3) ? { maxStaleness: random.below(3) } : {}),
  };
}

function drawCodec(random: Random): JobKnobs["codec"] {
  const up = random.chance(0.5)
    ? ({ kind: "f32" } as const)
    : random.pick<JobKnobs["codec"]["up"]>([
        ...(["f16", "bf16", "int8", "int4", "int2", "sign"] as const).map((kind) => ({ kind })),
        ...(["topK", "randomK"] as const).map((kind) => ({ kind, fraction: 0.34 })),
        { kind: "lowRank", rank: 1 },
      ]);
  const down = random.chance(0.6) ? "f32" : random.pick(["f16", "bf16", "int8", "int4"] as const);
  return { up, down: { kind: down } };
}

/** A matrix, and two vectors, of which one may be something else than a weight. */
export function parametersOf(model: ModelKind): JobDocument["parameters"] {
  return [
    { name: "a", shape: [2, 3], kind: "weight" },
    model === "personal"
      ? { name: "b", shape: [3], kind: "weight", local: true }
      : { name: "b", shape: [3], kind: model === "statistic" ? "statistic" : "weight" },
    { name: "c", shape: [2], kind: "weight" },
  ];
}

/** With a target out of reach where there may be one, so that versions are shown to `evaluate`. */
export function stopOf({ rounds, round, model }: JobKnobs): JobDocument["stop"] {
  const isMeasuredHere = model !== "personal" && round.evaluation?.on !== "workers";
  const every = round.evaluation?.every ?? 1;
  return { rounds, ...(isMeasuredHere ? { target: { metric: "loss", value: -1, every } } : {}) };
}
