/** Trees of tensors: a tensor, or arrays and plain objects of trees. Functions of trees work on their leaves in order. */
import { TraceError } from "./errors.ts";
import { Tensor } from "./graph.ts";

export type Tree = Tensor | readonly Tree[] | { readonly [name: string]: Tree };

/**
 * The shape of a tree, without its tensors. Leaves of objects come in the alphabetical order of their `keys`, so that
 * `{ h, c }` and `{ c, h }` are the same tree; `listed` is the order in which the object had them, and gets them back.
 */
export type Structure =
  | { readonly kind: "leaf" }
  | { readonly kind: "array"; readonly children: readonly Structure[] }
  | {
      readonly kind: "object";
      readonly keys: readonly string[];
      readonly listed: readonly string[];
      readonly children: readonly Structure[];
    };

export interface FlatTree {
  readonly leaves: readonly Tensor[];
  readonly structure: Structure;
}

/**
 * The tensors of a tree, in order, and what it takes to put them back.
 *
 * @param role how an error names the tree, such as "grad: argument 0"
 * @throws {TraceError} when something else than tensors, arrays and plain objects is in it
 */
export function flatten(tree: unknown, role = "tree"): FlatTree {
  const leaves: Tensor[] = [];
  const visit = (branch: unknown, path: string): Structure => {
    if (branch instanceof Tensor) {
      leaves.push(branch);
      return { kind: "leaf" };
    }
    if (Array.isArray(branch)) {
      return { kind: "array", children: branch.map((child: unknown, i) => visit(child, `${path}[${i}]`)) };
    }
    if (typeof branch === "object" && branch !== null && isPlain(branch)) {
      const entries = Object.entries(branch).toSorted(([a], [b]) => (a < b ? -1 : 1));
      const children = entries.map(([name, child]) => visit(child, `${path}.${name}`));
      return { kind: "object", keys: entries.map(([name]) => name), listed: Object.keys(branch), children };
    }
    throw new TraceError(
      `${role}: expected tensors in arrays and plain objects, got ${describeValue(branch)}${path && ` at ${path}`}; ` +
        "wrap numbers with tensor(...)",
    );
  };
  const structure = visit(tree, "");
  return { leaves, structure };
}

/** Puts leaves back into a structure; the inverse of `flatten`. */
export function unflatten(structure: Structure, leaves: readonly Tensor[]): Tree {
  let next = 0;
  const build = (branch: Structure): Tree => {
    if (branch.kind === "array") return branch.children.map(build);
    if (branch.kind === "object") {
      const built = new Map(branch.children.map((child, i) => [branch.keys[i], build(child)]));
      return Object.fromEntries(branch.listed.map((name) => [name, built.get(name) as Tree]));
    }
    const leaf = leaves[next++];
    if (!leaf) throw new Error(`unflatten: ${leaves.length} leaves are too few for the structure`);
    return leaf;
  };
  const tree = build(structure);
  if (next !== leaves.length) throw new Error(`unflatten: ${leaves.length} leaves, the structure has ${next}`);
  return tree;
}

/** The tree with every tensor replaced. */
export function mapTree<T>(tree: T, fn: (leaf: Tensor, index: number) => Tensor): T {
  const { leaves, structure } = flatten(tree);
  return unflatten(structure, leaves.map(fn)) as T;
}

/** The structure as text, equal exactly for equal structures: `{b: *, w: [*, *]}`. */
export function structureText(structure: Structure): string {
  if (structure.kind === "leaf") return "*";
  const children = structure.children.map(structureText);
  if (structure.kind === "array") return `[${children.join(", ")}]`;
  return `{${children.map((child, i) => `${structure.keys[i] ?? ""}: ${child}`).join(", ")}}`;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const describeValue = (value: unknown): string =>
  typeof value === "object" && value !== null ? value.constructor.name : String(value);
