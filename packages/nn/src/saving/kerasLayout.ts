/**
 * Keras' convention (paths of Keras 3 and names of Keras 2): our layouts but for the gates of a GRU, in the order z, r, n with both
 * biases in one tensor, transposed and depthwise kernels, attention, which has an axis for its heads, and learned rectifiers, whose
 * slopes have all axes of the input, those of size 1 that share a slope.
 */
import type { Tensor } from "@weft/tensor";
import { concat, stack } from "@weft/tensor";
import { ParameterError } from "../errors.ts";
import type { Convention, Rule, WriteOptions } from "./layout.ts";
import { divided, grouped, joined, one } from "./layout.ts";

const leaves = [
  "kernel",
  "depthwise_kernel",
  "bias",
  "recurrent_kernel",
  "embeddings",
  "gamma",
  "beta",
  "moving_mean",
  "moving_variance",
  "alpha",
];
const attentionParts = ["query", "key", "value", "attention_output"];

/** The first two of three blocks of the last axis exchanged: z, r, n ↔ r, z, n. */
function exchanged(x: Tensor): Tensor {
  if ((x.shape.at(-1) ?? 0) % 3 !== 0) return x;
  const [z, r, n] = x.split(3, -1);
  return z && r && n ? concat([r, z, n], x.rank - 1) : x;
}
const gates = { read: exchanged, write: exchanged };
/** [h, w, out, in] ↔ [h, w, in, out] */
const swapped = { read: (x: Tensor) => x.swapAxes(-1, -2), write: (x: Tensor) => x.swapAxes(-1, -2) };

export const kerasLayout: Convention = {
  name: "Keras",
  channelsFirst: false,
  ignored: [],
  unitsOf(tensors) {
    const renamed = Object.entries(tensors).map(([name, tensor]) => [cleaned(name), tensor] as const);
    const names = new Set(renamed.map(([name]) => name));
    return grouped(renamed, (name) => {
      const { path, leaf } = divided(name, "/");
      const { path: outer, leaf: part } = divided(path, "/");
      if (attentionParts.includes(part) && names.has(joined(outer, "query/kernel", "/"))) {
        return { unit: outer, leaf: `${part}/${leaf}` };
      }
      return leaves.includes(leaf) ? { unit: path, leaf } : { unit: name, leaf: "" };
    });
  },
  nameOf: (unit, leaf) => joined(unit.replaceAll(".", "/"), leaf, "/"),
  rules: {
    dense: [one("kernel", "kernel"), one("bias", "bias")],
    conv: [
      {
        ours: ["kernel"],
        theirs: ["kernel"],
        read: (kernels, { kernel: wanted }) => kernels.map((kernel) => (wanted ? allChannels(kernel, wanted) : kernel)),
        write: (kernels, { unit }) => kernels.map((kernel) => (isDepthwise(unit) ? perChannel(kernel) : kernel)),
      },
      one("bias", "bias"),
    ],
    convTranspose: [one("kernel", "kernel", swapped), one("bias", "bias")],
    embedding: [one("table", "embeddings")],
    norm: [one("gamma", "gamma"), one("beta", "beta"), one("mean", "moving_mean"), one("variance", "moving_variance")],
    recurrent: [one("kernel", "kernel"), one("recurrent", "recurrent_kernel"), one("bias", "bias")],
    gru: [
      one("kernel", "kernel", gates),
      one("recurrent", "recurrent_kernel", gates),
      {
        ours: ["bias", "recurrentBias"],
        theirs: ["bias"],
        read: ([both]) => (both ? [exchanged(both.at(0)), exchanged(both.at(1))] : []),
        write: (biases) => [stack(biases.map(exchanged))],
      },
    ],
    prelu: [
      {
        ours: ["slope"],
        theirs: ["alpha"],
        read: (alphas, { slope }) => alphas.map((alpha) => (slope ? alpha.reshape(slope.shape) : alpha)),
        write: (slopes, { sharedAxes }) =>
          slopes.map((slope) => slope.reshape([...Array<number>(sharedAxes).fill(1), ...slope.shape])),
      },
    ],
    attention: [
      projections("kernel"),
      projections("bias"),
      {
        ours: ["out.kernel"],
        theirs: ["attention_output/kernel"],
        read: (kernels) => kernels.map((x) => x.reshape([-1, x.shape.at(-1) ?? 0])),
        write: (kernels, options) => kernels.map((x) => x.reshape([headsOf(options), -1, x.shape.at(-1) ?? 0])),
      },
      one("out.bias", "attention_output/bias"),
    ],
  },
};

/** Kernels [in, heads, size] or biases [heads, size] of query, key and value ↔ one tensor with all three side by side. */
function projections(leaf: "kernel" | "bias"): Rule {
  const before = leaf === "kernel" ? 1 : 0;
  return {
    ours: [`qkv.${leaf}`],
    theirs: ["query", "key", "value"].map((part) => `${part}/${leaf}`),
    read: (parts) => [
      concat(
        parts.map((x) => x.reshape([...x.shape.slice(0, before), -1])),
        before,
      ),
    ],
    write: (joint, options) =>
      joint.flatMap((x) =>
        x.split(3, -1).map((part) => part.reshape([...x.shape.slice(0, before), headsOf(options), -1])),
      ),
  };
}

function headsOf({ heads, unit }: WriteOptions): number {
  if (heads !== undefined) return heads;
  throw new ParameterError(`${unit}: Keras lays attention out by heads, which parameters do not tell; give { heads }`);
}

const isDepthwise = (unit: string) => /depthwise[^.]*$/i.test(unit);

/** A depthwise kernel [h, w, in, multiplier] → [h, w, 1, in · multiplier], which has the same elements in order. */
function allChannels(kernel: Tensor, wanted: Tensor): Tensor {
  const depthwise = wanted.rank === 4 && wanted.shape[2] === 1 && kernel.shape[2] !== 1;
  return depthwise && kernel.size === wanted.size ? kernel.reshape(wanted.shape) : kernel;
}

/** [h, w, 1, in] → [h, w, in, 1], for one output channel of each input channel. */
const perChannel = (kernel: Tensor) => kernel.swapAxes(-1, -2);

/** Slashes between parts, no ":0" at the end, no inner name of a recurrent cell. */
const cleaned = (name: string) =>
  name
    .replace(/:\d+$/, "")
    .split("/")
    .filter((part) => !part.endsWith("_cell"))
    .join("/")
    .replace(/depthwise_kernel$/, "kernel");
