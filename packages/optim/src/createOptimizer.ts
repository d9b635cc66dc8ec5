/** From plain data to an optimiser: where a job's optimiser is read, and its settings are checked. */
import { accumulate } from "./accumulate.ts";
import { adadelta } from "./adadelta.ts";
import { adagrad } from "./adagrad.ts";
import { adam } from "./adam.ts";
import { adamax } from "./adamax.ts";
import { clipByGlobalNorm, clipByNorm, clipByValue } from "./clip.ts";
import { OptimizerError } from "./errors.ts";
import { exponentialMovingAverage } from "./exponentialMovingAverage.ts";
import { lamb } from "./lamb.ts";
import { lbfgs } from "./lbfgs.ts";
import { lion } from "./lion.ts";
import { lossScaling } from "./lossScaling.ts";
import { muon } from "./muon.ts";
import { nadam } from "./nadam.ts";
import type { Optimizer } from "./optimizer.ts";
import { partition } from "./partition.ts";
import { radam } from "./radam.ts";
import { rmsprop } from "./rmsprop.ts";
import { sgd } from "./sgd.ts";
import type { OptimizerSpec } from "./spec.ts";
import { yogi } from "./yogi.ts";

type SpecOf<N extends OptimizerSpec["name"]> = Extract<OptimizerSpec, { name: N }>;

/** Each optimiser and the names of its settings; the values are checked by the optimiser itself. */
const kinds: {
  readonly [N in OptimizerSpec["name"]]: {
    readonly create: (options: Omit<SpecOf<N>, "name">) => Optimizer;
    readonly settings: readonly Exclude<keyof SpecOf<N>, "name">[];
  };
} = (() => {
  const decay = ["learningRate", "weightDecay", "decoupledDecay"] as const;
  const means = [...decay, "beta1", "beta2", "epsilon"] as const;
  return {
    sgd: { create: sgd, settings: [...decay, "momentum", "dampening", "nesterov"] },
    adagrad: { create: adagrad, settings: [...decay, "rateDecay", "initialAccumulator", "epsilon"] },
    rmsprop: { create: rmsprop, settings: [...decay, "decay", "epsilon", "momentum", "centered"] },
    adadelta: { create: adadelta, settings: [...decay, "decay", "epsilon"] },
    adam: { create: adam, settings: [...means, "amsgrad"] },
    adamax: { create: adamax, settings: means },
    nadam: { create: nadam, settings: [...means, "momentumDecay"] },
    radam: { create: radam, settings: means },
    lion: { create: lion, settings: [...decay, "beta1", "beta2"] },
    lamb: { create: lamb, settings: ["learningRate", "weightDecay", "beta1", "beta2", "epsilon"] },
    yogi: { create: yogi, settings: [...means, "initialAccumulator", "biasCorrection"] },
    muon: {
      create: ({ fallback, ...options }) =>
        // A spec written by hand may leave it out.
        muon((fallback as unknown) === undefined ? options : { ...options, fallback: createOptimizer(fallback) }),
      settings: [...decay, "momentum", "nesterov", "iterations", "fallback"],
    },
    lbfgs: { create: lbfgs, settings: ["learningRate", "historySize"] },
    clipByValue: {
      create: ({ optimizer, ...options }) => clipByValue(createOptimizer(optimizer), options),
      settings: ["maxValue", "optimizer"],
    },
    clipByNorm: {
      create: ({ optimizer, ...options }) => clipByNorm(createOptimizer(optimizer), options),
      settings: ["maxNorm", "epsilon", "optimizer"],
    },
    clipByGlobalNorm: {
      create: ({ optimizer, ...options }) => clipByGlobalNorm(createOptimizer(optimizer), options),
      settings: ["maxNorm", "epsilon", "optimizer"],
    },
    accumulate: {
      create: ({ optimizer, steps }) => accumulate(createOptimizer(optimizer), steps),
      settings: ["steps", "optimizer"],
    },
    exponentialMovingAverage: {
      create: ({ optimizer, ...options }) => exponentialMovingAverage(createOptimizer(optimizer), options),
      settings: ["decay", "optimizer"],
    },
    lossScaling: {
      create: ({ optimizer, ...options }) => lossScaling(createOptimizer(optimizer), options),
      settings: ["initialScale", "growthInterval", "growthFactor", "backoffFactor", "optimizer"],
    },
    partition: { create: ({ groups }) => partition(groupsOf(groups)), settings: ["groups"] },
  };
})();

/**
 * Makes the optimiser that `spec` names. Takes anything, as specs come in files and messages; settings left out have their
 * defaults.
 *
 * @throws {OptimizerError} for an unknown name, an unknown setting or a value outside its range
 */
export function createOptimizer(spec: unknown): Optimizer {
  if (typeof spec !== "object" || spec === null || !("name" in spec)) {
    throw new OptimizerError(
      `expected an optimiser such as { name: "sgd", learningRate: 0.1 }, got ${JSON.stringify(spec)}`,
    );
  }
  const { name, ...options } = spec as { name: unknown } & Record<string, unknown>;
  if (typeof name !== "string" || !Object.hasOwn(kinds, name)) {
    throw new OptimizerError(`unknown optimiser ${JSON.stringify(name)}; known are ${Object.keys(kinds).join(", ")}`);
  }
  const { create, settings } = kinds[name as OptimizerSpec["name"]];
  checkKnown(name, options, settings);
  return (create as (options: unknown) => Optimizer)(options);
}

function groupsOf(groups: unknown): Parameters<typeof partition>[0] {
  if (!Array.isArray(groups)) {
    throw new OptimizerError(`partition: groups must be a list, got ${JSON.stringify(groups)}`);
  }
  return groups.map((group: unknown) => {
    if (typeof group !== "object" || group === null || !("optimizer" in group)) {
      throw new OptimizerError(`partition: a group has an optimizer, got ${JSON.stringify(group)}`);
    }
    const { optimizer, ...conditions } = group;
    checkKnown("partition", conditions, ["indices", "minRank"]);
    const { indices } = conditions as { indices?: unknown };
    if (indices !== undefined && !Array.isArray(indices)) {
      throw new OptimizerError(`partition: indices must be a list, got ${JSON.stringify(indices)}`);
    }
    return { ...conditions, optimizer: createOptimizer(optimizer) };
  });
}

function checkKnown(name: string, options: object, known: readonly string[]): void {
  for (const setting of Object.keys(options)) {
    if (!known.includes(setting)) {
      throw new OptimizerError(`${name}: unknown setting ${setting}; known are ${known.join(", ")}`);
    }
  }
}
