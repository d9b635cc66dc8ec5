/** Runs a definition: opens scopes, names parameters by their path, hands out keys. `apply`, `initialize` and `summarize` are this. */
import type { Shape, Tensor } from "@weft/tensor";
import { foldIn } from "@weft/tensor";
import { ModelError } from "./errors.ts";
import type { Initializer } from "./initializers.ts";
import type { LayerLike, Scope, StateType, TensorFunction, Variable } from "./layer.ts";
import { kindOf } from "./layer.ts";

export interface Run {
  readonly training: boolean;
  /** What dropout and the like draw from; they refuse to run without it. */
  readonly key?: Tensor | undefined;
  readonly parameter: (path: string, shape: Shape, initializer: Initializer) => Tensor;
  readonly statistic: (path: string, shape: Shape, initializer: Initializer) => Variable;
  readonly inParts: boolean;
  readonly state: (path: string, type: StateType) => Variable | undefined;
  /** Told of every call of a layer, inner ones first. */
  readonly called?: (call: LayerCall) => void;
}

export interface LayerCall {
  /** Names joined by dots; empty for the model itself. */
  readonly path: string;
  readonly kind: string;
  readonly input: Tensor;
  readonly output: Tensor;
}

export function buildModel<F extends TensorFunction>(model: LayerLike<F>, run: Run): F {
  return build(model, { run, path: "", keys: counter() });
}

interface Place {
  readonly run: Run;
  readonly path: string;
  /** Numbers the keys of the whole run. */
  readonly keys: () => number;
}

function build<F extends TensorFunction>(layer: LayerLike<F>, place: Place): F {
  const { run, path } = place;
  const kind = kindOf(layer);
  const body = typeof layer === "function" ? layer : layer.build(scopeOf(kind, place));
  const fn: (x: Tensor, ...rest: readonly unknown[]) => Tensor = body;
  const call = (x: Tensor, ...rest: readonly unknown[]) => {
    const output = fn(x, ...rest);
    run.called?.({ path, kind, input: x, output });
    return output;
  };
  // The methods of the function, such as the `run` of a recurrent layer, come along.
  return Object.assign(call, body);
}

function scopeOf(kind: string, place: Place): Scope {
  const { run, path, keys } = place;
  const names = new Set<string>();
  return {
    training: run.training,
    inParts: run.inParts,
    parameter: (name, shape, initializer) => run.parameter(joined(path, checked(name)), shape, initializer),
    statistic: (name, shape, initializer) => run.statistic(joined(path, checked(name)), shape, initializer),
    state: (name, type) => run.state(joined(path, checked(name)), type),
    layer(name, layer) {
      if (names.has(checked(name))) {
        throw new ModelError(`${joined(path, name)}: two layers have this name; give each its own, such as "${name}2"`);
      }
      names.add(name);
      return build(layer, { run, path: joined(path, name), keys });
    },
    key() {
      if (!run.key) {
        throw new ModelError(
          `${path || kind}: needs a random key; call apply(model, parameters, input, { training: true, key: key(seed) })`,
        );
      }
      return foldIn(run.key, keys());
    },
  };
}

const joined = (path: string, name: string) => (path === "" ? name : `${path}.${name}`);

function checked(name: string): string {
  if (name === "" || name.includes(".")) {
    throw new ModelError(
      `expected a name without dots, got ${JSON.stringify(name)}; dots join the names of nested layers`,
    );
  }
  return name;
}

function counter(): () => number {
  let next = 0;
  return () => next++;
}
