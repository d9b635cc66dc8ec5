/** Simplifications of element-wise arithmetic, and the folding of constants. */
import type { DType } from "../dtype.ts";
import { arrayOf, isFloat, roundedTo } from "../dtype.ts";
import { f16round } from "../half.ts";
import type { BinaryPrimitive, BitwisePrimitive, Comparison, UnaryPrimitive } from "../primitive.ts";
import { binaryNames, bitwiseNames, unaryNames } from "../primitive.ts";
import { joinPieces } from "./padRules.ts";
import type { Rewriter, Rule, Rules } from "./rewriter.ts";

/** Numbers that an operation may be folded with: what is left out is not worth a second definition of its rounding. */
const foldUnary: { readonly [P in UnaryPrimitive]?: (x: number) => number } = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: Math.log,
  f16round,
};
const foldBinary: { readonly [P in BinaryPrimitive]?: (x: number, y: number) => number } = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  pow: (x, y) => x ** y,
};
const foldCompare: { readonly [C in Comparison]: (x: number, y: number) => boolean } = {
  eq: (x, y) => x === y,
  ne: (x, y) => x !== y,
  lt: (x, y) => x < y,
  le: (x, y) => x <= y,
};

const round = (value: number, dtype: DType): number => {
  const [rounded] = arrayOf[dtype].of(value);
  return roundedTo(dtype, rounded ?? value);
};

function foldOne(name: UnaryPrimitive): Rule<UnaryPrimitive> {
  return (rewriter, { inputs, outputs }) => {
    const x = rewriter.fillOf(inputs[0]!);
    const [type] = outputs;
    const fold = foldUnary[name];
    if (x === undefined || !fold || !type || !isFloat(type.dtype)) return undefined;
    return rewriter.constant(round(fold(x), type.dtype), type);
  };
}

function foldTwo(name: BinaryPrimitive): Rule<BinaryPrimitive> {
  return (rewriter, { inputs, outputs }) => {
    const [x, y] = [rewriter.fillOf(inputs[0]!), rewriter.fillOf(inputs[1]!)];
    const [type] = outputs;
    const fold = foldBinary[name];
    if (x === undefined || y === undefined || !fold || !type || !isFloat(type.dtype)) return undefined;
    return rewriter.constant(round(fold(x, y), type.dtype), type);
  };
}

/** The operand that is left when the other is filled with the neutral number. */
function withNeutral(neutral: number, side: "right" | "either"): Rule<BinaryPrimitive | BitwisePrimitive> {
  return (rewriter, { inputs }) => {
    const [x, y] = inputs as [number, number];
    if (Object.is(rewriter.fillOf(y), neutral)) return x;
    return side === "either" && Object.is(rewriter.fillOf(x), neutral) ? y : undefined;
  };
}

/** x + 0 is x for integers; for floats only x + -0 is, since -0 + 0 is 0. */
const addZero: Rule<"add"> = (rewriter, instruction) =>
  withNeutral(isFloat(instruction.outputs[0]!.dtype) ? -0 : 0, "either")(rewriter, instruction);

const divideByConstant: Rule<"div"> = (rewriter, { inputs, outputs }) => {
  const [x, y] = inputs as [number, number];
  const divisor = rewriter.fillOf(y);
  const [type] = outputs;
  if (divisor === undefined || !type || !isFloat(type.dtype)) return undefined;
  const exact = Math.log2(Math.abs(divisor));
  if (!Number.isInteger(exact) || Math.abs(exact) > 100) return undefined;
  return rewriter.emit("mul", [x, rewriter.constant(1 / divisor, type)], {});
};

const smallPowers: Rule<"pow"> = (rewriter, { inputs, outputs }) => {
  const [x, y] = inputs as [number, number];
  const [type] = outputs;
  switch (rewriter.fillOf(y)) {
    case 1:
      return x;
    case 2:
      return rewriter.emit("mul", [x, x], {});
    case -1:
      return type && rewriter.emit("div", [rewriter.constant(1, type), x], {});
    default:
      return undefined;
  }
};

const doubled =
  (name: "neg" | "not"): Rule<"neg" | "not"> =>
  (rewriter, { inputs }) =>
    rewriter.maker(inputs[0]!, name)?.inputs[0];

/** x + -y is x - y; x - -y is x + y. */
const addNegative =
  (other: "add" | "sub"): Rule<"add" | "sub"> =>
  (rewriter, { inputs }) => {
    const [x, y] = inputs as [number, number];
    const negated = rewriter.maker(y, "neg")?.inputs[0];
    return negated === undefined ? undefined : rewriter.emit(other, [x, negated], {});
  };

const foldComparison: Rule<"compare"> = (rewriter, { inputs, outputs, params }) => {
  const [x, y] = [rewriter.fillOf(inputs[0]!), rewriter.fillOf(inputs[1]!)];
  if (x === undefined || y === undefined) return undefined;
  return rewriter.constant(Number(foldCompare[params.op](x, y)), outputs[0]!);
};

const chooseKnown: Rule<"select"> = (rewriter, { inputs }) => {
  const [condition, x, y] = inputs as [number, number, number];
  const known = rewriter.fillOf(condition);
  if (known !== undefined) return known !== 0 ? x : y;
  return x === y ? x : undefined;
};

const foldCast: Rule<"cast"> = (rewriter, { inputs, outputs, params }) => {
  const x = inputs[0]!;
  if (rewriter.typeOf(x).dtype === params.dtype) return x;
  const value = rewriter.fillOf(x);
  // Only whole numbers in every type's range: others would need the saturation rules.
  if (value === undefined || !Number.isInteger(value) || value < 0 || value > 2 ** 24) return undefined;
  return rewriter.constant(params.dtype === "bool" ? Number(value !== 0) : value, outputs[0]!);
};

const operandItself = (_: Rewriter, { inputs }: { readonly inputs: readonly number[] }) => inputs[0];

/** A rule over the table of one primitive, as every primitive's entry takes it. */
type AnyRule = (rewriter: Rewriter, instruction: never) => number | undefined;

const special: Readonly<Record<string, readonly AnyRule[]>> = {
  identity: [operandItself],
  stopGradient: [operandItself],
  neg: [doubled("neg")],
  not: [doubled("not")],
  add: [addZero, addNegative("sub"), joinPieces],
  sub: [withNeutral(0, "right"), addNegative("add")],
  mul: [withNeutral(1, "either")],
  div: [withNeutral(1, "right"), divideByConstant],
  pow: [smallPowers],
  or: [withNeutral(0, "either")],
  xor: [withNeutral(0, "either")],
  shiftLeft: [withNeutral(0, "right")],
  shiftRight: [withNeutral(0, "right")],
  compare: [foldComparison],
  select: [chooseKnown],
  cast: [foldCast],
};

export const arithmeticRules = Object.fromEntries<readonly AnyRule[]>([
  ...Object.entries(special),
  ...unaryNames.map((name) => [name, [...(special[name] ?? []), foldOne(name)]] as const),
  ...binaryNames.map((name) => [name, [foldTwo(name), ...(special[name] ?? [])]] as const),
  ...bitwiseNames.map((name) => [name, special[name] ?? []] as const),
]) as Rules;
