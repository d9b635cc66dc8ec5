/** Parameters from and to PyTorch's and Keras' names and layouts. */
import type { Shape, Tensor } from "@weft/tensor";
import { typeText } from "@weft/tensor";
import { ParameterError } from "../errors.ts";
import type { Parameters } from "../model.ts";
import { kerasLayout } from "./kerasLayout.ts";
import type { Convention, Kind, OwnUnit, Rule, Unit } from "./layout.ts";
import { joined, ownUnits } from "./layout.ts";
import type { Pair, Rename } from "./match.ts";
import { pairUnits, renamed, unitText } from "./match.ts";
import { pytorchLayout } from "./pytorchLayout.ts";

export interface LayoutOptions {
  /**
   * New names of layers, from those in the argument to those in the result. Reading without it, layers match by name where
   * names agree, the others in order; shapes are checked in either case.
   */
  readonly rename?: Rename;
  /**
   * Dense layers of ours whose input is a flattened image, with its size: `{ dense: [height, width, channels] }`. PyTorch flattens
   * channels first, so the rows of the kernel change places. Without effect for Keras.
   */
  readonly flattened?: Readonly<Record<string, Shape>>;
  /** The same for dense layers whose output is shaped into an image. */
  readonly unflattened?: Readonly<Record<string, Shape>>;
  /**
   * Paths of our transposed convolutions, as far as their names do not say so (`conv2dTranspose`) and neither do the sizes, where
   * input and output channels are equal.
   */
  readonly transposed?: readonly string[];
}

export interface KerasOptions extends Omit<LayoutOptions, "flattened" | "unflattened"> {
  /** Heads of the attention layers; needed to write them. */
  readonly heads?: number;
  /**
   * Of each `prelu` by its path, over how many axes between batch and channels it shares its slopes; 0 where not given. Keras's
   * `shared_axes=[1, 2]`, for images, is `{ prelu: 2 }`. Needed to write them; one that shares over no axis of an image has no like here.
   */
  readonly sharedAxes?: Readonly<Record<string, number>>;
}

/**
 * The values of a PyTorch state dict as parameters of a model.
 *
 * @param tensors by name, as `torch.save` or safetensors have them
 * @param parameters the model's own, for names and shapes; their values are not looked at
 * @throws {ParameterError} listing what did not match
 */
export const fromPyTorch = (
  tensors: Readonly<Record<string, Tensor>>,
  parameters: Readonly<Parameters>,
  options: LayoutOptions = {},
): Parameters => read(pytorchLayout, { tensors, parameters }, options);

/** Parameters as a PyTorch state dict. Layers keep our names unless `rename` gives others; of an LSTM's two biases the second is 0. */
export const toPyTorch = (parameters: Readonly<Parameters>, options: LayoutOptions = {}): Record<string, Tensor> =>
  write(pytorchLayout, parameters, options);

/** The values of Keras' variables as parameters of a model; as `fromPyTorch`. Names are paths such as `dense_1/kernel`. */
export const fromKeras = (
  tensors: Readonly<Record<string, Tensor>>,
  parameters: Readonly<Parameters>,
  options: KerasOptions = {},
): Parameters => read(kerasLayout, { tensors, parameters }, options);

/** Parameters as Keras' variables, by paths such as `dense_1/kernel`. Depthwise kernels have one output channel for each input. */
export const toKeras = (parameters: Readonly<Parameters>, options: KerasOptions = {}): Record<string, Tensor> =>
  write(kerasLayout, parameters, options);

interface Source {
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly parameters: Readonly<Parameters>;
}

function read(convention: Convention, { tensors, parameters }: Source, options: LayoutOptions): Parameters {
  const what = `from${convention.name}`;
  const own = ownUnits(parameters, transposedBy(options));
  const foreign = convention
    .unitsOf(tensors)
    .map((unit) => without(unit, convention.ignored))
    .filter(({ leaves }) => Object.keys(leaves).length > 0);
  const found: Record<string, Tensor> = {};
  const problems: string[] = [];
  for (const pair of pairUnits(own, foreign, { what, rename: options.rename })) {
    const leaves = readUnit(convention, pair, options);
    if (!leaves) problems.push(`${unitText(pair.own)} from ${unitText(pair.foreign)}`);
    else for (const [leaf, tensor] of Object.entries(leaves)) found[joined(pair.own.name, leaf)] = tensor;
  }
  if (problems.length > 0) {
    throw new ParameterError(
      `${what}: ${problems.length} of ${own.length} layers do not fit: ${problems.join("; ")}; ` +
        "is this the same model, and do the layers come in the same order? rename tells which is which",
    );
  }
  return Object.fromEntries(Object.keys(parameters).map((name) => [name, present(found[name])]));
}

/** Our leaves of a unit, or nothing when names or shapes do not fit. */
function readUnit(convention: Convention, pair: Pair, options: LayoutOptions): Unit["leaves"] | undefined {
  const { own } = pair;
  if (own.kind === "plain" || Object.hasOwn(pair.foreign.leaves, "")) return readPlain(pair);
  const asKind = (kind: Exclude<Kind, "plain">) => {
    const leaves = readLeaves(pair, convention.rules[kind]);
    const placed = leaves && reordered(own, leaves, convention.channelsFirst ? options : {});
    return placed && fitted(own.leaves, placed);
  };
  // Sizes tell a transposed convolution where names do not.
  return asKind(own.kind) ?? (own.kind === "conv" ? asKind("convTranspose") : undefined);
}

function readLeaves({ own, foreign }: Pair, rules: readonly Rule[]): Record<string, Tensor> | undefined {
  const result: Record<string, Tensor> = {};
  const used = new Set<string>();
  for (const { ours, theirs, read: convert } of rules) {
    const sources = theirs.flatMap((leaf) => foreign.leaves[leaf] ?? []);
    const wanted = ours.some((leaf) => Object.hasOwn(own.leaves, leaf));
    if (!wanted && sources.length === 0) continue;
    if (!wanted || sources.length !== theirs.length || !convertible(sources, ours, own)) return undefined;
    convert(sources, own.leaves).forEach((tensor, i) => (result[ours[i] ?? ""] = tensor));
    for (const leaf of theirs) used.add(leaf);
  }
  return Object.keys(foreign.leaves).every((leaf) => used.has(leaf)) ? result : undefined;
}

/** Whether the sources have as many elements as what is to be made of them; sums of equals aside. */
function convertible(sources: readonly Tensor[], ours: readonly string[], own: OwnUnit): boolean {
  const wanted = ours.reduce((total, leaf) => total + (own.leaves[leaf]?.size ?? 0), 0);
  const got = sources.reduce((total, { size }) => total + size, 0);
  const [first] = sources;
  return (
    got === wanted || (first?.size === wanted && sources.every(({ shape }) => shape.join() === first.shape.join()))
  );
}

/** A single parameter of one's own, whose axes of size 1 may differ. */
function readPlain({ own, foreign }: Pair): Unit["leaves"] | undefined {
  const [[leaf, wanted] = ["", undefined], ...more] = Object.entries(own.leaves);
  const [given, ...others] = Object.values(foreign.leaves);
  if (!wanted || !given || more.length > 0 || others.length > 0) return undefined;
  const core = ({ shape }: Tensor) => shape.filter((size) => size !== 1).join();
  return core(wanted) === core(given) ? { [leaf]: given.reshape(wanted.shape).cast(wanted.dtype) } : undefined;
}

/** All of the wanted leaves, of their shapes and dtypes. */
function fitted(wanted: Unit["leaves"], given: Readonly<Record<string, Tensor>>): Unit["leaves"] | undefined {
  const leaves: Record<string, Tensor> = {};
  for (const [leaf, like] of Object.entries(wanted)) {
    const value = given[leaf];
    if (value?.shape.join() !== like.shape.join()) return undefined;
    leaves[leaf] = value.cast(like.dtype);
  }
  return leaves;
}

function write(
  convention: Convention,
  parameters: Readonly<Parameters>,
  options: LayoutOptions & KerasOptions,
): Record<string, Tensor> {
  const result: Record<string, Tensor> = {};
  for (const unit of ownUnits(parameters, transposedBy(options))) {
    const { kind, name } = unit;
    const target = renamed(name, options.rename);
    if (kind === "plain") {
      for (const [leaf, tensor] of Object.entries(unit.leaves)) result[convention.nameOf(target, leaf, kind)] = tensor;
      continue;
    }
    const leaves = convention.channelsFirst ? reordered(unit, unit.leaves, options, "write") : unit.leaves;
    for (const { ours, theirs, write: convert } of convention.rules[kind]) {
      const sources = ours.flatMap((leaf) => leaves?.[leaf] ?? []);
      if (sources.length !== ours.length) continue;
      const tensors = convert(sources, {
        heads: options.heads,
        sharedAxes: options.sharedAxes?.[name] ?? 0,
        unit: name,
      });
      theirs.forEach((leaf, i) => (result[convention.nameOf(target, leaf, kind)] = present(tensors[i])));
    }
  }
  return result;
}

/** A dense layer between image and vector, for images whose channels come first elsewhere; undefined where sizes do not agree. */
function reordered(
  { name, kind }: OwnUnit,
  leaves: Unit["leaves"],
  { flattened, unflattened }: LayoutOptions,
  direction: "read" | "write" = "read",
): Record<string, Tensor> | undefined {
  const result = { ...leaves };
  const { kernel, bias } = leaves;
  const [input, output] = [flattened?.[name], unflattened?.[name]];
  if (kind !== "dense" || !kernel || !(input ?? output)) return result;
  const moved = (x: Tensor, axis: number, image: Shape): Tensor | undefined => {
    if (image.reduce((product, size) => product * size, 1) !== x.shape[axis]) return undefined;
    const sizes = direction === "read" ? [...image.slice(-1), ...image.slice(0, -1)] : image;
    const split = x.reshape([...x.shape.slice(0, axis), ...sizes, ...x.shape.slice(axis + 1)]);
    const last = axis + image.length - 1;
    return (direction === "read" ? split.moveAxis(axis, last) : split.moveAxis(last, axis)).reshape(x.shape);
  };
  const ofInput = input ? moved(kernel, 0, input) : kernel;
  const ofOutput = ofInput && output ? moved(ofInput, 1, output) : ofInput;
  const offset = bias && output ? moved(bias, 0, output) : bias;
  if (!ofOutput || (bias && !offset)) {
    throw new ParameterError(
      `${name}: a kernel ${typeText(kernel)} does not join images of ${JSON.stringify({ flattened: input, unflattened: output })}; ` +
        "give [height, width, channels] as the model has them",
    );
  }
  return { ...result, kernel: ofOutput, ...(offset && { bias: offset }) };
}

const transposedBy =
  ({ transposed = [] }: LayoutOptions) =>
  (path: string): boolean =>
    transposed.includes(path) || /transpose[^.]*$/i.test(path);

const without = (unit: Unit, ignored: readonly string[]): Unit => ({
  ...unit,
  leaves: Object.fromEntries(Object.entries(unit.leaves).filter(([leaf]) => !ignored.includes(leaf))),
});

function present(tensor: Tensor | undefined): Tensor {
  if (!tensor) throw new Error("a layer fits, and one of its parameters is missing");
  return tensor;
}
