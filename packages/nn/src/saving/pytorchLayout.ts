/**
 * PyTorch's convention (state dicts of torch.nn): features of the output first, channels before space, gates of an LSTM in the order
 * i, f, g, o as here, of a GRU r, z, n as here, each with two biases.
 */
import type { Tensor } from "@weft/tensor";
import { zeros } from "@weft/tensor";
import type { Convention } from "./layout.ts";
import { divided, grouped, joined, one } from "./layout.ts";

const leaves = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"];
/** weight_ih_l0, bias_hh_l1_reverse, … */
const recurrentLeaf = /^(weight_ih|weight_hh|bias_ih|bias_hh)_l(\d+)(_reverse)?$/;
const recurrentUnit = /^(?:(.*)\.)?l(\d+)(_reverse)?$/;
const attentionLeaves = ["in_proj_weight", "in_proj_bias"];

const turned = { read: (x: Tensor) => x.transpose(), write: (x: Tensor) => x.transpose() };
/** [out, in, …space] ↔ [...space, in, out] */
const convolution = {
  read: (x: Tensor) => (x.rank < 2 ? x : x.transpose([...spatialAxes(x, 2), 1, 0])),
  write: (x: Tensor) => x.transpose([x.rank - 1, x.rank - 2, ...spatialAxes(x, 0)]),
};
/** [in, out, …space] ↔ [...space, in, out] */
const transposedConvolution = {
  read: (x: Tensor) => (x.rank < 2 ? x : x.transpose([...spatialAxes(x, 2), 0, 1])),
  write: (x: Tensor) => x.transpose([x.rank - 2, x.rank - 1, ...spatialAxes(x, 0)]),
};
const spatialAxes = (x: Tensor, from: number) => Array.from({ length: Math.max(0, x.rank - 2) }, (_, i) => from + i);

const products = [one("kernel", "weight_ih", turned), one("recurrent", "weight_hh", turned)];

export const pytorchLayout: Convention = {
  name: "PyTorch",
  channelsFirst: true,
  ignored: ["num_batches_tracked"],
  unitsOf(tensors) {
    const layers = layersOf(Object.keys(tensors));
    return grouped(Object.entries(tensors), (name) => {
      const { path, leaf } = divided(name);
      const [, kind = "", layer = "", reverse = ""] = recurrentLeaf.exec(leaf) ?? [];
      // A single layer in one direction goes by the name of its module.
      if (kind) return { unit: layers.get(path) === 1 ? path : joined(path, `l${layer}${reverse}`), leaf: kind };
      if (attentionLeaves.includes(leaf)) return { unit: path, leaf };
      const { path: outer, leaf: module } = divided(path);
      if (module === "out_proj" && Object.hasOwn(tensors, joined(outer, "in_proj_weight"))) {
        return { unit: outer, leaf: `out_proj.${leaf}` };
      }
      return leaves.includes(leaf) ? { unit: path, leaf } : { unit: name, leaf: "" };
    });
  },
  nameOf(unit, leaf, kind) {
    if (kind !== "recurrent" && kind !== "gru") return joined(unit, leaf);
    const [, module = "", layer = "0", reverse = ""] = recurrentUnit.exec(unit) ?? ["", unit];
    return joined(module, `${leaf}_l${layer}${reverse}`);
  },
  rules: {
    dense: [one("kernel", "weight", turned), one("bias", "bias")],
    conv: [one("kernel", "weight", convolution), one("bias", "bias")],
    convTranspose: [one("kernel", "weight", transposedConvolution), one("bias", "bias")],
    embedding: [one("table", "weight")],
    prelu: [one("slope", "weight")],
    norm: [one("gamma", "weight"), one("beta", "bias"), one("mean", "running_mean"), one("variance", "running_var")],
    recurrent: [
      ...products,
      {
        // They are only ever added.
        ours: ["bias"],
        theirs: ["bias_ih", "bias_hh"],
        read: (biases) => [biases.reduce((sum, bias) => sum.add(bias))],
        write: (biases) => [...biases, ...biases.map(({ shape, dtype }) => zeros(shape, { dtype }))],
      },
    ],
    gru: [...products, one("bias", "bias_ih"), one("recurrentBias", "bias_hh")],
    attention: [
      one("qkv.kernel", "in_proj_weight", turned),
      one("qkv.bias", "in_proj_bias"),
      one("out.kernel", "out_proj.weight", turned),
      one("out.bias", "out_proj.bias"),
    ],
  },
};

/** How many layers and directions each recurrent module has. */
function layersOf(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) {
    const { path, leaf } = divided(name);
    if (recurrentLeaf.exec(leaf)?.[1] === "weight_ih") counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return counts;
}
