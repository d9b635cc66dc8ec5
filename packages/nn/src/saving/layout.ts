/** What a convention of naming and laying out parameters is, and how our parameters fall into units that it converts whole. */
import type { Tensor } from "@weft/tensor";
import type { Parameters } from "../model.ts";

/** What a unit is decides how its parameters are laid out elsewhere. */
export type Kind =
  "dense" | "conv" | "convTranspose" | "embedding" | "norm" | "recurrent" | "gru" | "attention" | "prelu" | "plain";

/** The parameters of one layer, by the last part of their names. */
export interface Unit {
  /** The path of the layer; of a `plain` parameter, its whole name. */
  readonly name: string;
  readonly leaves: Readonly<Record<string, Tensor>>;
}

export interface OwnUnit extends Unit {
  readonly kind: Kind;
}

/** How some parameters of ours and some of theirs are made of each other. */
export interface Rule {
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
  /** @param wanted our leaves, for their shapes */
  readonly read: (theirs: readonly Tensor[], wanted: Unit["leaves"]) => readonly Tensor[];
  readonly write: (ours: readonly Tensor[], options: WriteOptions) => readonly Tensor[];
}

export interface WriteOptions {
  /** Heads of the attention layers, where the convention has an axis for them. */
  readonly heads: number | undefined;
  /** Axes of size 1 before the channels of a learned rectifier's slopes, likewise. */
  readonly sharedAxes: number;
  /** Path of the unit. */
  readonly unit: string;
}

export interface Convention {
  readonly name: string;
  /** Their parameters by unit; the order of the units is that of the file. */
  readonly unitsOf: (tensors: Readonly<Record<string, Tensor>>) => Unit[];
  /** Full name of a leaf. */
  readonly nameOf: (unit: string, leaf: string, kind: Kind) => string;
  readonly rules: { readonly [K in Exclude<Kind, "plain">]: readonly Rule[] };
  /** Leaves of theirs that say nothing to us. */
  readonly ignored: readonly string[];
  /** True when images are channels-first there, so that what a flattening joins comes in another order. */
  readonly channelsFirst: boolean;
}

/** A rule for one parameter on each side. */
export const one = (
  ours: string,
  theirs: string,
  convert: { readonly read?: (x: Tensor) => Tensor; readonly write?: (x: Tensor) => Tensor } = {},
): Rule => ({
  ours: [ours],
  theirs: [theirs],
  read: (tensors) => tensors.map((x) => convert.read?.(x) ?? x),
  write: (tensors) => tensors.map((x) => convert.write?.(x) ?? x),
});

const ownLeaves = [
  "kernel",
  "bias",
  "recurrent",
  "recurrentBias",
  "table",
  "gamma",
  "beta",
  "mean",
  "variance",
  "slope",
];
const attentionParts = ["qkv", "out"];

/** Our parameters as units, in order; `isTransposed` tells transposed convolutions, whose kernels look like others. */
export function ownUnits(parameters: Readonly<Parameters>, isTransposed: (path: string) => boolean): OwnUnit[] {
  const units = grouped(Object.entries(parameters), (name) => {
    const { path, leaf } = divided(name);
    const part = divided(path);
    if (attentionParts.includes(part.leaf) && Object.hasOwn(parameters, joined(part.path, "qkv.kernel"))) {
      return { unit: part.path, leaf: `${part.leaf}.${leaf}` };
    }
    return ownLeaves.includes(leaf) ? { unit: path, leaf } : { unit: name, leaf: "" };
  });
  return units.map(({ name, leaves }) => ({ name, leaves, kind: kindOf(leaves, isTransposed(name)) }));
}

function kindOf(leaves: Unit["leaves"], transposed: boolean): Kind {
  const { recurrent, kernel } = leaves;
  if (recurrent) return recurrent.shape[1] === 3 * (recurrent.shape[0] ?? 0) ? "gru" : "recurrent";
  if (leaves["qkv.kernel"]) return "attention";
  if (kernel) return kernel.rank === 2 ? "dense" : transposed ? "convTranspose" : "conv";
  if (leaves["table"]) return "embedding";
  if (leaves["slope"]) return "prelu";
  return ["gamma", "beta", "mean"].some((leaf) => Object.hasOwn(leaves, leaf)) ? "norm" : "plain";
}

/** Entries by the unit that `place` puts them in, units in the order in which they first come. */
export function grouped(
  entries: readonly (readonly [name: string, tensor: Tensor])[],
  place: (name: string) => { readonly unit: string; readonly leaf: string },
): Unit[] {
  const units = new Map<string, Record<string, Tensor>>();
  for (const [name, tensor] of entries) {
    const { unit, leaf } = place(name);
    const leaves = units.get(unit) ?? {};
    leaves[leaf] = tensor;
    units.set(unit, leaves);
  }
  return [...units].map(([name, leaves]) => ({ name, leaves }));
}

/** A name as the path before its last part, and that part. */
export function divided(name: string, separator = "."): { path: string; leaf: string } {
  const dot = name.lastIndexOf(separator);
  return { path: name.slice(0, Math.max(0, dot)), leaf: name.slice(dot + 1) };
}

export const joined = (path: string, leaf: string, separator = "."): string =>
  path === "" || leaf === "" ? path + leaf : path + separator + leaf;
