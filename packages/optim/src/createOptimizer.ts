/** From plain data to an optimiser: where a job's optimiser is read, and its settings are checked. */
import { adagrad } from "./adagrad.ts";
import { adam } from "./adam.ts";
import { OptimizerError } from "./errors.ts";
import type { Optimizer } from "./optimizer.ts";
import { rmsprop } from "./rmsprop.ts";
import { sgd } from "./sgd.ts";
import type { OptimizerSpec } from "./spec.ts";

type OptionsOf<Spec> = Omit<Spec, "name">;

/** Each optimiser and the names of its settings. */
const kinds: {
  readonly [N in OptimizerSpec["name"]]: {
    readonly create: (options: OptionsOf<Extract<OptimizerSpec, { name: N }>>) => Optimizer;
    readonly settings: readonly (keyof OptionsOf<Extract<OptimizerSpec, { name: N }>>)[];
  };
} = {
  sgd: { create: sgd, settings: ["learningRate", "momentum", "nesterov", "weightDecay"] },
  adagrad: { create: adagrad, settings: ["learningRate", "epsilon"] },
  rmsprop: { create: rmsprop, settings: ["learningRate", "decay", "epsilon", "momentum", "centered"] },
  adam: { create: adam, settings: ["learningRate", "beta1", "beta2", "epsilon"] },
};

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
  for (const setting of Object.keys(options)) {
    if (!(settings as readonly string[]).includes(setting)) {
      throw new OptimizerError(`${name}: unknown setting ${setting}; known are ${settings.join(", ")}`);
    }
  }
  // The settings' values are checked by the optimiser itself.
  return (create as (options: unknown) => Optimizer)(options);
}
