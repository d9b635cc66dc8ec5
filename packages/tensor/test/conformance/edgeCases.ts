/** Values at the edges: NaN, infinities, signed zeros, denormals, the ends of the integers. */
import type { BinaryPrimitive, UnaryPrimitive } from "@weft/tensor";
import { bind } from "@weft/tensor";
import type { Case, Value } from "./case.ts";
import { approximate, exact, given, rounded } from "./case.ts";

const special = [
  NaN,
  Infinity,
  -Infinity,
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  1e-40,
  -1e-40,
  3e38,
  -3e38,
  8388609.5,
];

const unaryEdges: Partial<Record<UnaryPrimitive, readonly number[]>> = {
  identity: special,
  neg: special,
  abs: special,
  sign: special,
  floor: special,
  ceil: special,
  round: special,
  sqrt: [NaN, Infinity, -Infinity, -1, 0, 1, 4, 3e38, 1e-30],
  exp: [NaN, Infinity, -Infinity, 0, -0, 1, 88, 88.8, 100, -87, -110, -3e38, 3e38, 1e-10],
  expm1: [NaN, Infinity, -Infinity, 0, 1e-10, -1e-10, 1e-5, -1e-5, 0.3, -0.3, 88, 100, -20, -200],
  log: [NaN, Infinity, -Infinity, 0, -1, 1, 1.0000001, 0.9999999, 1e-30, 3e38, 2],
  log1p: [NaN, Infinity, -1, -2, 0, 1e-10, -1e-10, 1e-5, 1, 3e38],
  sin: [NaN, Infinity, -Infinity, 0, 3.1415927, 1.5707964, 100, -1000],
  cos: [NaN, Infinity, -Infinity, 0, 3.1415927, 1.5707964, 100, -1000],
  tanh: [NaN, Infinity, -Infinity, 0, 1e-10, -1e-5, 0.01, 8, 9.5, -20, 3e38],
  erf: [NaN, Infinity, -Infinity, 0, 1e-10, -1e-5, 0.01, 3, -5, 3e38],
};

/** Small arguments keep their digits: expm1(1e-10) is not 0. */
const tiny = { relative: 2e-6, absolute: 1e-37 };

const moving: readonly string[] = ["identity", "neg", "abs"];
const wholeNumbers: readonly string[] = ["sign", "floor", "ceil", "round"];

const unaryCases = Object.entries(unaryEdges).map(([name, elements]): Case => {
  const primitive = name as UnaryPrimitive;
  return {
    claim: `${name} of special values`,
    fn: (x) => bind(primitive, [x], {}),
    inputs: [[given(elements)]],
    tolerance: moving.includes(name) || wholeNumbers.includes(name) ? exact : name === "sqrt" ? rounded : tiny,
    signedZero: moving.includes(name),
  };
});

/** Every pair of the elements. */
function pairs(elements: readonly number[], dtype: Value["dtype"] = "f32"): [Value, Value] {
  const left = elements.flatMap((x) => elements.map(() => x));
  const right = elements.flatMap(() => elements);
  return [given(left, dtype), given(right, dtype)];
}

const floats = [NaN, Infinity, -Infinity, 0, -0, 1, -1, 2.5, -2.5, 3e38];
const signed = [0, 1, -1, 2, -3, 7, 2 ** 31 - 1, -(2 ** 31), 65537];
const unsigned = [0, 1, 2, 3, 7, 2 ** 31, 2 ** 32 - 1, 65537];

const floatBinary: readonly BinaryPrimitive[] = ["add", "sub", "mul", "div", "max", "min"];
const integerBinary: readonly BinaryPrimitive[] = ["add", "sub", "mul", "div", "rem", "max", "min"];

const binaryCases: readonly Case[] = [
  ...floatBinary.map((name): Case => ({
    claim: `${name} of special values`,
    fn: (x, y) => bind(name, [x, y], {}),
    inputs: [pairs(floats)],
  })),
  ...integerBinary.flatMap((name) =>
    (["i32", "u32"] as const).map((dtype): Case => ({
      claim: `${name} at the ends of ${dtype}, which wraps, and by zero`,
      fn: (x, y) => bind(name, [x, y], {}),
      inputs: [pairs(dtype === "i32" ? signed : unsigned, dtype)],
    })),
  ),
  {
    claim: "rem with the sign of the dividend",
    fn: (x, y) => bind("rem", [x, y], {}),
    inputs: [[given([5.5, -5.5, 5.5, -5.5, 1, NaN, 3]), given([2, 2, -2, -2, 0, 1, Infinity])]],
  },
  {
    claim: "pow of negative, zero and special bases",
    fn: (x, y) => bind("pow", [x, y], {}),
    inputs: [
      [
        given([-2, -2, -2, -8, 0, 0, 0, NaN, 5, 2, 0.5, 2, Infinity, Infinity, 10, 10]),
        given([3, 2, -1, 1 / 3, 0, 2, -1, 0, 0, Infinity, Infinity, NaN, 2, -1, 40, -50]),
      ],
    ],
    tolerance: { relative: 1e-5, absolute: 1e-37 },
  },
  {
    claim: "atan2 in every quadrant and on the axes",
    fn: (y, x) => bind("atan2", [y, x], {}),
    inputs: [pairs([0, 1, -1, 0.3, -5, Infinity, -Infinity, NaN])],
    tolerance: approximate,
  },
];

const otherCases: readonly Case[] = [
  ...(["eq", "ne", "lt", "le"] as const).flatMap((op) => [
    { claim: `compare ${op} of special values`, fn: compareBy(op), inputs: [pairs(floats)] },
    { claim: `compare ${op} of u32 past 2^31`, fn: compareBy(op), inputs: [pairs(unsigned, "u32")] },
    { claim: `compare ${op} at the ends of i32`, fn: compareBy(op), inputs: [pairs(signed, "i32")] },
  ]),
  {
    claim: "casts of floats that saturate",
    fn: (x) => (["i32", "u32", "bool"] as const).map((dtype) => bind("cast", [x], { dtype })),
    inputs: [[given([NaN, Infinity, -Infinity, 3e9, -3e9, 5e9, 1.9, -1.9, -0.5, 0, -0, 2147483520, 1e-40])]],
  },
  {
    claim: "casts of large integers, rounded to f32 and wrapped into each other",
    fn: (i, u) => [
      bind("cast", [i], { dtype: "f32" }),
      bind("cast", [i], { dtype: "u32" }),
      bind("cast", [u], { dtype: "f32" }),
      bind("cast", [u], { dtype: "i32" }),
    ],
    inputs: [[given([...signed, 16777217, -16777217], "i32"), given([...unsigned, 16777217, 3000000001], "u32")]],
    tolerance: exact,
  },
  {
    claim: "shifts of integers with the high bit set",
    fn: (i, u, n, m) => [
      bind("shiftRight", [i, n], {}),
      bind("shiftLeft", [i, n], {}),
      bind("shiftRight", [u, m], {}),
      bind("shiftLeft", [u, m], {}),
    ],
    inputs: [
      [
        given([-1, -8, 2 ** 31 - 1, -(2 ** 31), 5], "i32"),
        given([2 ** 32 - 1, 2 ** 31, 5, 6, 7], "u32"),
        given([1, 31, 4, 31, 32], "i32"),
        given([1, 31, 0, 33, 32], "u32"),
      ],
    ],
  },
  {
    claim: "select that lets no NaN through from the other side",
    fn: (c, x, y) => bind("select", [c, x, y], {}),
    inputs: [[given([1, 0, 1, 0, 1], "bool"), given([1, NaN, -0, Infinity, 5]), given([NaN, 2, NaN, -0, -Infinity])]],
    tolerance: exact,
    signedZero: true,
  },
];

function compareBy(op: "eq" | "ne" | "lt" | "le"): Case["fn"] {
  return (x, y) => bind("compare", [x, y], { op });
}

export const edgeCases: readonly Case[] = [...unaryCases, ...binaryCases, ...otherCases];
