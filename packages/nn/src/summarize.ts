/** What a model looks like: each layer's shapes, parameters and cost, found by running the definition on types alone. */
import type { Shape, Tensor, TensorType } from "@weft/tensor";
import { bytesPerElement, placeholder, toProgram } from "@weft/tensor";
import { cost } from "@weft/tensor/programs";
import type { LayerLike } from "./layer.ts";
import { shapesOnly } from "./model.ts";
import type { LayerCall } from "./run.ts";
import { buildModel } from "./run.ts";
import { stateless } from "./state.ts";

export interface LayerSummary {
  /** Empty for the model itself. */
  readonly path: string;
  readonly kind: string;
  /** Of one example: without the batch axis. */
  readonly input: Shape;
  readonly output: Shape;
  /** Numbers in its parameters; 0 when an earlier call has counted them. */
  readonly parameters: number;
  /** Arithmetic operations on one example; a multiply-add counts two. */
  readonly flops: number;
  /** Bytes of its output for one example. */
  readonly outputBytes: number;
}

export interface ModelSummary {
  /** In the order in which they run. */
  readonly layers: readonly LayerSummary[];
  /** What the model does outside of these layers; nothing for most. */
  readonly rest: { readonly parameters: number; readonly flops: number };
  /** Numbers in all parameters together, and how many of them are running statistics. */
  readonly parameters: number;
  readonly statistics: number;
  readonly flops: number;
  /** Most bytes alive at once on the way forward, for one example: parameters, input and intermediate values. */
  readonly peakBytes: number;
  readonly input: Shape;
  readonly output: Shape;
}

export interface SummaryOptions {
  /** Layers within layers down to this depth; deeper ones count in theirs. Default: all. */
  readonly depth?: number;
}

/** @param input type of a batch, as for `initialize`; everything is told of one example */
export function summarize(
  model: LayerLike,
  { shape, dtype }: TensorType,
  { depth = Infinity }: SummaryOptions = {},
): ModelSummary {
  const input = placeholder({ shape: [1, ...shape.slice(1)], dtype });
  const { output, calls, parameters, statistics } = observe(model, input);
  const values = [...parameters.values()];
  const count = (tensors: readonly Tensor[]) => tensors.reduce((sum, { size }) => sum + size, 0);
  const whole = cost(toProgram([output], [input, ...values]));
  const counted = new Set<string>();
  const layers = calls
    .filter((call) => isShown(call, calls, depth))
    .map((call): LayerSummary => {
      const own = [...parameters].filter(([name]) => isInside(name, call.path) && !counted.has(name));
      own.forEach(([name]) => counted.add(name));
      return {
        path: call.path,
        kind: call.kind,
        input: call.input.shape.slice(1),
        output: call.output.shape.slice(1),
        parameters: count(own.map(([, value]) => value)),
        flops: flopsOf(call, calls, [input, ...values]),
        outputBytes: call.output.size * bytesPerElement[call.output.dtype],
      };
    });
  const total = (of: (layer: LayerSummary) => number) => layers.reduce((sum, layer) => sum + of(layer), 0);
  return {
    layers,
    rest: {
      parameters: count(values) - total((layer) => layer.parameters),
      flops: Math.max(0, whole.flops - total((layer) => layer.flops)),
    },
    parameters: count(values),
    statistics: count([...parameters].flatMap(([name, value]) => (statistics.has(name) ? [value] : []))),
    flops: whole.flops,
    peakBytes: whole.peakBytes,
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

export const shapeText = (shape: Shape): string => (shape.length === 0 ? "1" : shape.join("×"));

interface Observed {
  readonly output: Tensor;
  /** Inner ones first. */
  readonly calls: readonly LayerCall[];
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly statistics: ReadonlySet<string>;
}

function observe(model: LayerLike, input: Tensor): Observed {
  const [parameters, statistics] = [new Map<string, Tensor>(), new Set<string>()];
  const calls: LayerCall[] = [];
  const types = shapesOnly(input);
  const parameter: typeof types.parameter = (path, ...asked) => {
    const value = parameters.get(path) ?? types.parameter(path, ...asked);
    parameters.set(path, value);
    return value;
  };
  const run = buildModel(model, {
    ...types,
    ...stateless,
    parameter,
    statistic(path, ...asked) {
      statistics.add(path);
      return { value: parameter(path, ...asked), update: () => undefined };
    },
    called: (call) => calls.push(call),
  });
  return { output: run(input), calls, parameters, statistics };
}

/** At the given depth, or above it without layers inside. The model itself only shows when there is nothing in it. */
function isShown({ path }: LayerCall, calls: readonly LayerCall[], depth: number): boolean {
  const level = path === "" ? 0 : path.split(".").length;
  if (level === depth && level > 0) return true;
  return level < depth && !calls.some((other) => isInside(other.path, path));
}

/** What lies between a layer's input and its output; what comes in from layers before it is not counted again. */
function flopsOf(call: LayerCall, calls: readonly LayerCall[], inputs: readonly Tensor[]): number {
  const before = calls
    .slice(0, calls.indexOf(call))
    .filter(({ path, output }) => !isInside(path, call.path) && path !== call.path && output !== call.output)
    .map(({ output }) => output);
  return cost(toProgram([call.output], [call.input, ...before, ...inputs])).flops;
}

const isInside = (path: string, outer: string) => path !== outer && (outer === "" || path.startsWith(`${outer}.`));
