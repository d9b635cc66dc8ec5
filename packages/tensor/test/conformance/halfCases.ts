/** The cases of f32 once more in f16, and those that f16 has of its own: its edges, its sums, its gradients. */
import type { DType } from "@weft/tensor";
import { arrayOf, bind, grad, scan, tensor, vmap } from "@weft/tensor";
import type { Case, Tolerance, Value } from "./case.ts";
import { approximate, exact, given, rounded, sample } from "./case.ts";
import { contractionCases } from "./contractionCases.ts";
import { elementwiseCases } from "./elementwiseCases.ts";
import { indexCases } from "./indexCases.ts";
import { movementCases } from "./movementCases.ts";
import { reductionCases } from "./reductionCases.ts";
import { windowCases } from "./windowCases.ts";

/** What is not exact in f32 may fall on the other side of a tie: one unit in the last place of f16. */
const oneUnit: Tolerance = { relative: 2 ** -10, absolute: 2 ** -24 };
/** Sums of products that cancel keep the error of f32, which is seen where f16 is finer than that. */
const sums: Tolerance = { relative: 2 ** -10, absolute: 2e-5 };

const usesF32 = ({ inputs }: Case) => inputs.some((list) => list.some(({ dtype }) => dtype === "f32"));

const asHalf = (value: Value): Value =>
  value.dtype === "f32" ? { ...value, dtype: "f16", data: new arrayOf.f16(value.data) } : value;

function inHalf(each: Case): Case {
  const { tolerance = rounded } = each;
  return {
    ...each,
    claim: each.claim.replaceAll("f32", "f16").replace(/^((?!f16).)*$/, "$& in f16"),
    inputs: each.inputs.map((list) => list.map(asHalf)),
    tolerance: tolerance === exact || tolerance === rounded ? exact : tolerance === approximate ? oneUnit : sums,
  };
}

const dtypes: readonly DType[] = ["f32", "i32", "u32", "bool"];
const edges = [
  0,
  -0,
  1,
  -1,
  2 ** -24,
  2 ** -25,
  2 ** -14,
  6.1e-5,
  65504,
  65519,
  65520,
  70000,
  -1e30,
  1e-30,
  2049,
  2051,
  1 / 3,
];
const more = [Infinity, -Infinity, NaN, 3e38, -3e38, 1e-40, 0.1, 1000.5, 4097];

export const halfCases: readonly Case[] = [
  ...[elementwiseCases, movementCases, reductionCases, contractionCases, windowCases, indexCases]
    .flat()
    .filter(usesF32)
    .map(inHalf),
  ...dtypes.map((from): Case => ({
    claim: `casts of ${from} to f16 and back`,
    fn: (x) => [x.cast("f16"), x.cast("f16").cast(from)],
    inputs: [[from === "f32" ? given([...edges, ...more]) : sample([9], from, [0, 70000])]],
    tolerance: exact,
    signedZero: true,
  })),
  {
    claim: "f16round of f32, which is a cast to f16 and back",
    fn: (x) => [bind("f16round", [x], {}), x.cast("f16").cast("f32")],
    inputs: [[given([...edges, ...more])], [sample([257], "f32", [-7e4, 7e4])], [sample([257], "f32", [-1e-4, 1e-4])]],
    tolerance: exact,
    signedZero: true,
  },
  {
    claim: "each step of a fused f16 expression rounded by itself",
    fn: (x, y) => x.mul(y).add(1).sub(x).div(y.square().add(0.1)).sqrt().mul(3),
    inputs: [[sample([257], "f16", [0.5, 1]), sample([257], "f16", [1, 2])]],
    tolerance: exact,
  },
  {
    claim: "a sum of f16 whose terms are below its last place",
    fn: (x) => [x.sum(), x.add(1).sum({ axis: 0 })],
    inputs: [[given(new Array<number>(4096).fill(2 ** -12), "f16")], [sample([5000], "f16", [0, 1])]],
    tolerance: oneUnit,
  },
  {
    claim: "constants, counts and literals of f16",
    fn: (x) => [
      x.add(0.1),
      bind("iota", [], { shape: [3, 2060], dtype: "f16", axis: 1 }),
      x.mul(tensor([0.1, 0.2, 0.3], { dtype: "f16" })),
    ],
    inputs: [[sample([3], "f16")]],
    tolerance: exact,
  },
  {
    claim: "a loop that carries f16",
    fn: (x, w) => scan((carry, slice) => [carry.mul(0.9).add(slice.matmul(w)), carry] as const, x.at(0), x),
    inputs: [[sample([7, 4, 3], "f16"), sample([3, 3], "f16", [-0.5, 0.5])]],
    tolerance: sums,
  },
  {
    claim: "gradients of f16 through a cast to f32, per example",
    fn: (x, w) => vmap(grad((row: typeof x) => row.expandDims(0).matmul(w).cast("f32").square().mean()))(x),
    inputs: [[sample([4, 6], "f16"), sample([6, 5], "f16")]],
    tolerance: sums,
  },
];
