/** What a model looks like: each layer's kind, output shape and parameters, found by running the definition on types alone. */
import type { Shape, TensorType } from "@weft/tensor";
import { placeholder } from "@weft/tensor";
import type { LayerLike } from "./layer.ts";
import type { LayerCall } from "./run.ts";
import { shapesOnly } from "./model.ts";
import { buildModel } from "./run.ts";
import { stateless } from "./state.ts";

export interface LayerSummary {
  /** Empty when the model is a single layer. */
  readonly path: string;
  readonly kind: string;
  /** Of one example: without the batch axis. */
  readonly input: Shape;
  readonly output: Shape;
  /** Numbers in its parameters; 0 when an earlier call has counted them. */
  readonly parameters: number;
}

export interface ModelSummary {
  /** Layers that hold no other layers, in the order in which they run. */
  readonly layers: readonly LayerSummary[];
  /** Numbers in all parameters together. */
  readonly parameters: number;
  readonly input: Shape;
  readonly output: Shape;
}

/** @param input type of a batch, as for `initialize` */
export function summarize(model: LayerLike, input: TensorType): ModelSummary {
  const sizes = new Map<string, number>();
  const calls: LayerCall[] = [];
  const types = shapesOnly(input);
  const run = buildModel(model, {
    ...types,
    ...stateless,
    parameter(path, shape, initializer) {
      sizes.set(
        path,
        shape.reduce((size, n) => size * n, 1),
      );
      return types.parameter(path, shape, initializer);
    },
    called: (call) => calls.push(call),
  });
  const output = run(placeholder(input));
  const counted = new Set<string>();
  const layers = calls.filter(({ path }) => !calls.some((other) => isInside(other.path, path)));
  return {
    layers: layers.map(({ path, kind, input: from, output: to }) => {
      const own = [...sizes.keys()].filter((name) => isInside(name, path) && !counted.has(name));
      own.forEach((name) => counted.add(name));
      return {
        path,
        kind,
        input: from.shape.slice(1),
        output: to.shape.slice(1),
        parameters: own.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0),
      };
    }),
    parameters: [...sizes.values()].reduce((sum, size) => sum + size, 0),
    input: input.shape.slice(1),
    output: output.shape.slice(1),
  };
}

/** One line: `conv2d 28×28×1 → 26×26×32 → … → 10`. */
export function summaryLine({ layers, input, output }: ModelSummary): string {
  const first = layers[0];
  const start = `${first?.kind ?? "model"} ${shapeText(first?.input ?? input)}`;
  if (!first || layers.length === 1) return `${start} → ${shapeText(output)}`;
  const middle = layers.length > 2 ? ["…"] : [];
  return [start, shapeText(first.output), ...middle, shapeText(output)].join(" → ");
}

const shapeText = (shape: Shape) => (shape.length === 0 ? "1" : shape.join("×"));

const isInside = (path: string, outer: string) => path !== outer && (outer === "" || path.startsWith(`${outer}.`));
