/** Every elementwise primitive on every dtype that it takes. */
import type { BinaryPrimitive, Comparison, DType, Shape, UnaryPrimitive } from "@weft/tensor";
import { binaryNames, bind, bitwiseNames, cast, unaryNames } from "@weft/tensor";
import type { Case, Range, Tolerance } from "./case.ts";
import { approximate, exact, rounded, sample } from "./case.ts";

/** Scalars, empty, below, at and past vector widths. */
export const shapes: readonly Shape[] = [[], [1], [0], [4], [5], [17], [33], [3, 5], [2, 0, 3], [4, 1, 7], [257]];

const domains: Partial<Record<UnaryPrimitive, Range>> = {
  sqrt: [0, 9],
  log: [0.01, 20],
  log1p: [-0.9, 5],
  exp: [-20, 20],
  expm1: [-3, 3],
  tanh: [-5, 5],
  erf: [-4, 4],
  sin: [-20, 20],
  cos: [-20, 20],
  round: [-4, 4],
};

const exactUnary: readonly UnaryPrimitive[] = ["identity", "neg", "abs", "sign", "floor", "ceil", "round"];

const unaryCases = unaryNames.flatMap((name): Case[] => {
  const floats: Case = {
    claim: `${name} of f32`,
    fn: (x) => bind(name, [x], {}),
    inputs: shapes.map((shape) => [sample(shape, "f32", domains[name])]),
    tolerance: exactUnary.includes(name) ? exact : name === "sqrt" ? rounded : approximate,
  };
  if (!["identity", "neg", "abs", "sign"].includes(name)) return [floats];
  const integers = (["i32", "u32"] as const).map((dtype): Case => {
    const inputs = shapes.map((shape) => [sample(shape, dtype, dtype === "i32" ? [-9, 9] : [0, 9])]);
    return { claim: `${name} of ${dtype}`, fn: (x) => bind(name, [x], {}), inputs };
  });
  return [floats, ...integers];
});

const binaryTolerance: Partial<Record<BinaryPrimitive, Tolerance>> = {
  pow: { relative: 5e-6, absolute: 1e-6 },
  atan2: approximate,
  rem: approximate,
};

const binaryCases = binaryNames.flatMap((name): Case[] => {
  const dtypes: readonly DType[] = name === "pow" || name === "atan2" ? ["f32"] : ["f32", "i32", "u32"];
  return dtypes.map((dtype) => {
    const left: Range = name === "pow" ? [0.1, 3] : dtype === "u32" ? [0, 50] : [-50, 50];
    const right: Range = name === "pow" ? [-3, 3] : name === "rem" || name === "div" ? [1, 7] : left;
    return {
      claim: `${name} of ${dtype}`,
      fn: (x, y) => bind(name, [x, y], {}),
      inputs: shapes.map((shape) => [sample(shape, dtype, left), sample(shape, dtype, right)]),
      tolerance: binaryTolerance[name] ?? rounded,
    };
  });
});

const bitwiseCases = bitwiseNames.flatMap((name): Case[] => {
  const dtypes: readonly DType[] = name.startsWith("shift") ? ["i32", "u32"] : ["i32", "u32", "bool"];
  return dtypes.map((dtype) => {
    const range: Range = dtype === "u32" ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
    const right: Range = name.startsWith("shift") ? [0, 31] : range;
    return {
      claim: `${name} of ${dtype}`,
      fn: (x, y) => bind(name, [x, y], {}),
      inputs: shapes.map((shape) => [sample(shape, dtype, range), sample(shape, dtype, right)]),
    };
  });
});

const comparisons: readonly Comparison[] = ["eq", "ne", "lt", "le"];
const compareCases = comparisons.flatMap((op): Case[] =>
  (["f32", "i32", "u32", "bool"] as const).map((dtype) => ({
    claim: `compare ${op} of ${dtype}`,
    fn: (x, y) => bind("compare", [cast(x, dtype), cast(y, dtype)], { op }),
    // Small whole numbers, so that equality happens.
    inputs: shapes.map((shape) => [sample(shape, "u32", [0, 3]), sample(shape, "u32", [0, 3])]),
  })),
);

const selectCases = (["f32", "i32", "u32", "bool"] as const).map((dtype): Case => ({
  claim: `select of ${dtype}`,
  fn: (condition, x, y) => bind("select", [condition, x, y], {}),
  inputs: shapes.map((shape) => [sample(shape, "bool"), sample(shape, dtype, [0, 9]), sample(shape, dtype, [0, 9])]),
  tolerance: exact,
}));

const castable = ["f32", "i32", "u32", "bool"] as const;
const castCases = castable.flatMap((from) =>
  castable.map((to): Case => ({
    claim: `cast of ${from} to ${to}`,
    fn: (x) => bind("cast", [x], { dtype: to }),
    inputs: shapes.map((shape) => [sample(shape, from, from === "u32" ? [0, 5] : [-5, 5])]),
    tolerance: exact,
  })),
);

export const elementwiseCases: readonly Case[] = [
  ...unaryCases,
  ...binaryCases,
  ...bitwiseCases,
  { claim: "not", fn: (x) => bind("not", [x], {}), inputs: shapes.map((shape) => [sample(shape, "bool")]) },
  ...compareCases,
  ...selectCases,
  ...castCases,
];
