/** Einstein summation over any number of operands, as pairwise contractions from left to right. */
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import { typeText } from "../program.ts";
import { equal, where } from "./compare.ts";
import { sum } from "./reduce.ts";
import { transpose } from "./shape.ts";

/** A tensor and one letter per axis. */
interface Labelled {
  readonly x: Tensor;
  readonly labels: readonly string[];
}

/**
 * `einsum("bij,bjk->bik", a, b)`. Without an arrow, letters that occur once form the result in alphabetical order. A
 * letter twice in one operand takes its diagonal.
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  const { terms, result } = parse(equation, operands);
  let [left, ...rest] = terms.map((term) => diagonal(term));
  if (!left) throw new ShapeError("einsum: no operands; give at least one");
  while (rest.length > 0) {
    const [right, ...later] = rest;
    if (!right) break;
    const needed = new Set([...result, ...later.flatMap((term) => term.labels)]);
    left = contract(
      sumOut(left, new Set([...needed, ...right.labels])),
      sumOut(right, new Set([...needed, ...left.labels])),
      needed,
    );
    rest = later;
  }
  const last = sumOut(left, new Set(result));
  return transpose(
    last.x,
    result.map((label) => last.labels.indexOf(label)),
  );
}

function parse(equation: string, operands: readonly Tensor[]): { terms: Labelled[]; result: string[] } {
  const [inputs = "", output] = equation.replaceAll(" ", "").split("->");
  const labels = inputs.split(",").map((term) => Array.from(term));
  const valid = /^[a-zA-Z,]*$/.test(inputs) && labels.length === operands.length;
  const terms = operands.map((x, i) => ({ x, labels: labels[i] ?? [] }));
  const sizes = new Map<string, number>();
  for (const term of terms) {
    const fits = term.labels.every((label, axis) => (sizes.get(label) ?? term.x.shape[axis]) === term.x.shape[axis]);
    if (!valid || term.labels.length !== term.x.rank || !fits) {
      throw new ShapeError(
        `einsum: "${equation}" does not fit ${operands.map(typeText).join(", ")}; expected one letter per axis and equal sizes per letter`,
      );
    }
    term.labels.forEach((label, axis) => sizes.set(label, term.x.shape[axis] ?? 0));
  }
  const all = labels.flat();
  const result =
    output === undefined ? [...new Set(all)].filter((label) => once(all, label)).sort() : Array.from(output);
  if (result.some((label) => !sizes.has(label)) || new Set(result).size < result.length) {
    throw new ShapeError(`einsum: the result of "${equation}" must name letters of the operands, each once`);
  }
  return { terms, result };
}

const once = (labels: readonly string[], label: string) => labels.indexOf(label) === labels.lastIndexOf(label);

/** Repeated letters reduced to one, keeping elements whose indices agree. */
function diagonal({ x, labels }: Labelled): Labelled {
  const second = labels.findIndex((label, axis) => labels.indexOf(label) !== axis);
  if (second === -1) return { x, labels };
  const first = labels.indexOf(labels[second] ?? "");
  const [i, j] = [first, second].map((axis) => bind("iota", [], { shape: x.shape, dtype: "i32", axis }));
  if (!i || !j) throw new Error("two axes give two counters");
  const kept = sum(where(equal(i, j), x, 0), { axis: second });
  return diagonal({ x: kept, labels: labels.toSpliced(second, 1) });
}

/** Letters that nothing else needs are summed away. */
function sumOut({ x, labels }: Labelled, needed: ReadonlySet<string>): Labelled {
  const axis = labels.flatMap((label, i) => (needed.has(label) ? [] : [i]));
  return { x: sum(x, { axis }), labels: labels.filter((label) => needed.has(label)) };
}

function contract(left: Labelled, right: Labelled, needed: ReadonlySet<string>): Labelled {
  const shared = left.labels.filter((label) => right.labels.includes(label));
  const batch = shared.filter((label) => needed.has(label));
  const inner = shared.filter((label) => !needed.has(label));
  const axes = (term: Labelled, labels: readonly string[]) => labels.map((label) => term.labels.indexOf(label));
  const x = bind("dot", [left.x, right.x], {
    lhsBatch: axes(left, batch),
    rhsBatch: axes(right, batch),
    lhsContract: axes(left, inner),
    rhsContract: axes(right, inner),
  });
  const free = (term: Labelled) => term.labels.filter((label) => !shared.includes(label));
  return { x, labels: [...batch, ...free(left), ...free(right)] };
}
