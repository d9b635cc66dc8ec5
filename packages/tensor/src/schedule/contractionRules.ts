/** Simplifications of reductions and contractions: empty ones become constants, transposed operands are read as they lie. */
import { isFloat } from "../dtype.ts";
import type { Instruction } from "../program.ts";
import type { InstructionOf, Rewriter, Rule, Rules } from "./rewriter.ts";

function reduction(
  rewriter: Rewriter,
  { primitive, inputs, params, outputs }: InstructionOf<"sum" | "reduceMax">,
): number | undefined {
  const operand = inputs[0]!;
  const shape = rewriter.shapeOf(operand);
  const [type] = outputs;
  if (!type) return undefined;
  const lowest = { f32: -Infinity, f16: -Infinity, f64: -Infinity, i32: -(2 ** 31), u32: 0, bool: 0 }[type.dtype];
  if (shape.includes(0)) return rewriter.constant(primitive === "sum" ? 0 : lowest, type);
  const nothing = params.axes.every((axis) => shape[axis] === 1);
  return nothing ? rewriter.emit("reshape", [operand], { shape: type.shape }) : undefined;
}

/**
 * The first maximum is the smallest index at which the maximum stands: two reductions, which fuse with their operand. An operand
 * that holds a NaN has its maximum at the first one.
 */
const argmaxByReductions: Rule<"argmax"> = (rewriter, { inputs, params: { axis } }) => {
  const [operand] = inputs as [number];
  const { shape, dtype } = rewriter.typeOf(operand);
  const x = dtype === "bool" ? rewriter.emit("cast", [operand], { dtype: "i32" }) : operand;
  const largest = rewriter.emit("reduceMax", [x], { axes: [axis] });
  const axes = shape.flatMap((_, i) => (i === axis ? [] : [i]));
  const isLargest = rewriter.emit("compare", [x, rewriter.emit("broadcast", [largest], { shape, axes })], { op: "eq" });
  const isWinner = isFloat(dtype)
    ? rewriter.emit("or", [isLargest, rewriter.emit("compare", [x, x], { op: "ne" })], {})
    : isLargest;
  const type = { shape, dtype: "i32" } as const;
  const index = rewriter.emit("neg", [rewriter.emit("iota", [], { ...type, axis })], {});
  const candidates = rewriter.emit("select", [isWinner, index, rewriter.constant(-(2 ** 31), type)], {});
  return rewriter.emit("neg", [rewriter.emit("reduceMax", [candidates], { axes: [axis] })], {});
};

/** Without anything to sum, the result is 0. */
function emptyIsZero(rewriter: Rewriter, { inputs, outputs }: Instruction): number | undefined {
  const empty = inputs.some((input) => rewriter.shapeOf(input).includes(0));
  return empty ? rewriter.constant(0, outputs[0]!) : undefined;
}

/**
 * A sum over batch axes of outer products is one contraction, and a factor that varies along those axes alone scales an operand
 * instead of the products: sums of per-example gradients, weighted or not, form none of them. (Products that contract more
 * stay: another reader may want them, and to compute them twice would cost more than to sum them.)
 */
const sumOfOuterProducts: Rule<"sum"> = (rewriter, { inputs, params: { axes } }) => {
  const [operand] = inputs as [number];
  const product = rewriter.maker(operand, "mul");
  for (const [value, factor] of product ? [product.inputs, product.inputs.toReversed()] : [[operand]]) {
    const dot = rewriter.maker(value!, "dot");
    const summed = dot?.params.lhsBatch.flatMap((_, i) => (axes.includes(i) ? [i] : [])) ?? [];
    if (!dot || summed.length === 0) continue;
    if (dot.params.lhsContract.some((axis) => rewriter.shapeOf(dot.inputs[0]!)[axis] !== 1)) continue;
    const scaled = factor === undefined ? dot.inputs : scaledOperand(rewriter, dot, { factor, axes: summed });
    if (!scaled) continue;
    const kept = (list: readonly number[]) => list.filter((_, i) => !summed.includes(i));
    const moved = (list: readonly number[]) => list.filter((_, i) => summed.includes(i));
    const { lhsBatch, rhsBatch, lhsContract, rhsContract } = dot.params;
    const contracted = rewriter.emit("dot", scaled, {
      lhsBatch: kept(lhsBatch),
      rhsBatch: kept(rhsBatch),
      lhsContract: [...lhsContract, ...moved(lhsBatch)],
      rhsContract: [...rhsContract, ...moved(rhsBatch)],
    });
    const rest = axes.filter((axis) => !summed.includes(axis));
    const later = rest.map((axis) => axis - summed.filter((other) => other < axis).length);
    return later.length > 0 ? rewriter.emit("sum", [contracted], { axes: later }) : contracted;
  }
  return undefined;
};

/** The operands of a dot, the smaller one times a factor of the product that varies along these batch axes only. */
function scaledOperand(
  rewriter: Rewriter,
  { inputs, params }: InstructionOf<"dot">,
  { factor, axes }: { factor: number; axes: readonly number[] },
): readonly number[] | undefined {
  const view = rewriter.maker(factor, "broadcast");
  if (!view) return undefined;
  const [source] = view.inputs as [number];
  const sizes = rewriter.shapeOf(source);
  const varying = view.params.axes.filter((_, i) => sizes[i] !== 1);
  if (varying.some((axis) => !axes.includes(axis))) return undefined;
  const [lhs, rhs] = inputs as [number, number];
  const size = (value: number) => rewriter.shapeOf(value).reduce((product, n) => product * n, 1);
  const isLeft = size(lhs) < size(rhs);
  const [operand, batch] = isLeft ? [lhs, params.lhsBatch] : [rhs, params.rhsBatch];
  const places = varying.map((axis) => batch[axis]!);
  if (places.some((place, i) => i > 0 && place < places[i - 1]!)) return undefined;
  const values = rewriter.emit("reshape", [source], { shape: sizes.filter((n) => n !== 1) });
  const spread = rewriter.emit("broadcast", [values], { shape: rewriter.shapeOf(operand), axes: places });
  const scaled = rewriter.emit("mul", [operand, spread], {});
  return isLeft ? [scaled, rhs] : [lhs, scaled];
}

/** dot(transpose(x), y) reads x directly, as long as the result's axes keep their order. */
const absorbTranspose: Rule<"dot"> = (rewriter, { inputs, params }) => {
  const [lhs, rhs] = inputs as [number, number];
  const left = untransposed(rewriter, lhs, [params.lhsBatch, params.lhsContract]);
  const right = untransposed(rewriter, rhs, [params.rhsBatch, params.rhsContract]);
  if (!left && !right) return undefined;
  return rewriter.emit("dot", [left?.value ?? lhs, right?.value ?? rhs], {
    lhsBatch: left?.batch ?? params.lhsBatch,
    lhsContract: left?.contract ?? params.lhsContract,
    rhsBatch: right?.batch ?? params.rhsBatch,
    rhsContract: right?.contract ?? params.rhsContract,
  });
};

interface DotOperand {
  readonly value: number;
  readonly batch: readonly number[];
  readonly contract: readonly number[];
}

function untransposed(
  rewriter: Rewriter,
  value: number,
  [batch, contract]: readonly [readonly number[], readonly number[]],
): DotOperand | undefined {
  const view = rewriter.maker(value, "transpose");
  if (!view) return undefined;
  const { permutation } = view.params;
  const free = permutation.filter((_, axis) => !batch.includes(axis) && !contract.includes(axis));
  if (free.some((axis, i) => i > 0 && axis < free[i - 1]!)) return undefined;
  const below = (axes: readonly number[]) => axes.map((axis) => permutation[axis]!);
  return { value: view.inputs[0]!, batch: below(batch), contract: below(contract) };
}

export const contractionRules: Rules = {
  sum: [reduction, sumOfOuterProducts],
  reduceMax: [reduction],
  argmax: [argmaxByReductions],
  dot: [emptyIsZero, absorbTranspose],
  conv: [emptyIsZero],
  convInputGradient: [emptyIsZero],
  convKernelGradient: [emptyIsZero],
  scatterAdd: [
    (rewriter, { inputs }) => {
      const [operand, , updates] = inputs as [number, number, number];
      return rewriter.shapeOf(updates).includes(0) ? operand : undefined;
    },
  ],
};
