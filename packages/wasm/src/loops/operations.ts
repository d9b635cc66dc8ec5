/** The element-wise primitives on vectors of four lanes. A bool in a vector is a mask: all bits set, or none. */
import type { Expression, V128 } from "@weft/emitter";
import { f32x4, i32, i32x4, select, v128 } from "@weft/emitter";
import type { BinaryPrimitive, BitwisePrimitive, Comparison, DType, LoopOp, UnaryPrimitive } from "@weft/tensor";
import { exp, expm1, log, log1p, tanh } from "./exponential.ts";
import { f16round } from "./half.ts";
import { pow, rem } from "./power.ts";
import { atan2, cos, erf, sin } from "./trigonometry.ts";
import type { VectorScope } from "./vectorScope.ts";

type Applied = Extract<LoopOp, { kind: "apply" }>;
type Compared = Extract<LoopOp, { kind: "compare" }>;
/** An operand in a variable, so that it may be used more than once. */
interface Lanes {
  readonly value: V128;
  readonly dtype: DType;
  /** The number in all lanes, where it is known. */
  readonly fill: number | undefined;
}

export function applyOperation(s: VectorScope, op: Applied, args: readonly Lanes[]): V128 {
  const [x, y = x, z = x] = args as readonly [Lanes, ...Lanes[]];
  switch (op.primitive) {
    case "select":
      return v128.bitselect(y.value, z.value, x.value);
    case "not":
      return v128.not(x.value);
    case "cast":
      return castLanes(s, x, op.dtype);
    case "and":
    case "or":
    case "xor":
      return v128[op.primitive](x.value, y.value);
    case "shiftLeft":
    case "shiftRight":
      return shiftLanes(s, op.primitive, x, y);
    case "max":
    case "min": {
      // With a bound that is neither NaN nor a zero, one instruction keeps a NaN of x; the general ones take several.
      const isPlain = x.dtype === "f32" && y.fill !== undefined && Math.abs(y.fill) > 0;
      if (isPlain) return op.primitive === "max" ? f32x4.pmax(x.value, y.value) : f32x4.pmin(x.value, y.value);
      break;
    }
    default:
      break;
  }
  const table = x.dtype === "f32" ? floatOperations : x.dtype === "u32" ? unsignedOperations : signedOperations;
  const operation = table[op.primitive];
  if (!operation) throw new Error(`${op.primitive} of ${x.dtype} passed the shape rules`);
  return operation(s, x.value, y.value);
}

type Operation = (s: VectorScope, x: V128, y: V128) => V128;
type Operations = { readonly [P in UnaryPrimitive | BinaryPrimitive]?: Operation };

const floatOperations: Required<Operations> = {
  identity: (_, x) => x,
  neg: (_, x) => f32x4.neg(x),
  abs: (_, x) => f32x4.abs(x),
  sign: (s, x) => {
    const nonzero = s.keep(v128.or(f32x4.lt(x, s.float(0)), f32x4.gt(x, s.float(0))));
    const one = v128.or(v128.and(x, s.integer(-0x80000000)), s.float(1));
    return v128.bitselect(one, x, nonzero);
  },
  floor: (_, x) => f32x4.floor(x),
  ceil: (_, x) => f32x4.ceil(x),
  round: (_, x) => f32x4.nearest(x),
  sqrt: (_, x) => f32x4.sqrt(x),
  exp,
  expm1,
  log,
  log1p,
  sin,
  cos,
  tanh,
  erf,
  f16round,
  add: (_, x, y) => f32x4.add(x, y),
  sub: (_, x, y) => f32x4.sub(x, y),
  mul: (_, x, y) => f32x4.mul(x, y),
  div: (_, x, y) => f32x4.div(x, y),
  max: (_, x, y) => f32x4.max(x, y),
  min: (_, x, y) => f32x4.min(x, y),
  pow,
  rem,
  atan2: (s, y, x) => atan2(s, y, x),
};

const integerOperations: Operations = {
  identity: (_, x) => x,
  neg: (_, x) => i32x4.neg(x),
  add: (_, x, y) => i32x4.add(x, y),
  sub: (_, x, y) => i32x4.sub(x, y),
  mul: (_, x, y) => i32x4.mul(x, y),
};

const signedOperations: Operations = {
  ...integerOperations,
  abs: (_, x) => i32x4.abs(x),
  sign: (s, x) => v128.or(i32x4.shrS(x, 31), v128.and(i32x4.gtS(x, s.integer(0)), s.integer(1))),
  max: (_, x, y) => i32x4.maxS(x, y),
  min: (_, x, y) => i32x4.minS(x, y),
  div: (s, x, y) =>
    byLane(s, x, y, (a, b) => {
      const quotient = i32.divS(a, select(i32.leU(i32.add(b, 1), 1), i32.const(1), b));
      // Divisors 0 and -1 trap or overflow: their quotients are 0 and -a.
      return select(i32.eqz(b), i32.const(0), select(i32.eq(b, -1), i32.sub(0, a), quotient));
    }),
  rem: (s, x, y) => byLane(s, x, y, (a, b) => i32.remS(a, select(i32.leU(i32.add(b, 1), 1), i32.const(1), b))),
};

const unsignedOperations: Operations = {
  ...integerOperations,
  abs: (_, x) => x,
  sign: (s, x) => v128.andNot(s.integer(1), i32x4.eq(x, s.integer(0))),
  max: (_, x, y) => i32x4.maxU(x, y),
  min: (_, x, y) => i32x4.minU(x, y),
  div: (s, x, y) =>
    byLane(s, x, y, (a, b) => select(i32.eqz(b), i32.const(0), i32.divU(a, select(i32.eqz(b), i32.const(1), b)))),
  rem: (s, x, y) => byLane(s, x, y, (a, b) => i32.remU(a, select(i32.eqz(b), i32.const(1), b))),
};

/** A scalar operation on each pair of lanes, for what has no vector instruction. */
function byLane(
  s: VectorScope,
  x: V128,
  y: V128,
  operation: (a: Expression<"i32">, b: Expression<"i32">) => Expression<"i32">,
): V128 {
  const result = s.f.local("v128", x);
  for (let lane = 0; lane < 4; lane++) {
    const a = s.f.i32(i32x4.extractLane(x, lane));
    const b = s.f.i32(i32x4.extractLane(y, lane));
    s.f.set(result, i32x4.replaceLane(result, lane, operation(a, b)));
  }
  return result;
}

function shiftLanes(s: VectorScope, name: "shiftLeft" | "shiftRight", x: Lanes, y: Lanes): V128 {
  const isUnsigned = x.dtype === "u32";
  const [vector, scalar] =
    name === "shiftLeft" ? [i32x4.shl, i32.shl] : isUnsigned ? [i32x4.shrU, i32.shrU] : [i32x4.shrS, i32.shrS];
  return y.fill === undefined ? byLane(s, x.value, y.value, scalar) : vector(x.value, y.fill & 31);
}

function castLanes(s: VectorScope, { value, dtype: from }: Lanes, to: DType): V128 {
  if (from === to) return value;
  if (to === "bool") return from === "f32" ? f32x4.ne(value, s.float(0)) : i32x4.ne(value, s.integer(0));
  if (from === "bool") return v128.and(value, to === "f32" ? s.float(1) : s.integer(1));
  if (to === "f32") return from === "u32" ? f32x4.convertI32x4U(value) : f32x4.convertI32x4S(value);
  if (from !== "f32") return value;
  return to === "u32" ? i32x4.truncF32x4U(value) : i32x4.truncF32x4S(value);
}

export function applyComparison({ op }: Compared, [x, y]: readonly Lanes[]): V128 {
  return comparisonsOf(x!.dtype)[op](x!.value, y!.value);
}

type Comparisons = { readonly [C in Comparison]: (x: V128, y: V128) => V128 };

function comparisonsOf(dtype: DType): Comparisons {
  if (dtype === "f32") return f32x4;
  const { eq, ne } = i32x4;
  // A mask is the largest unsigned number, so true is above false.
  return dtype === "i32" ? { eq, ne, lt: i32x4.ltS, le: i32x4.leS } : { eq, ne, lt: i32x4.ltU, le: i32x4.leU };
}

/** Combines two partial results of a reduction. */
export function combineLanes(reduce: "sum" | "max", dtype: DType, x: V128, y: V128): V128 {
  if (reduce === "sum") return dtype === "f32" ? f32x4.add(x, y) : i32x4.add(x, y);
  return dtype === "f32" ? f32x4.max(x, y) : dtype === "u32" ? i32x4.maxU(x, y) : i32x4.maxS(x, y);
}

/** What a reduction starts from. */
export function reductionStart(s: VectorScope, reduce: "sum" | "max", dtype: DType): V128 {
  if (reduce === "sum") return s.integer(0);
  return dtype === "f32" ? s.float(-Infinity) : s.integer(dtype === "u32" ? 0 : -0x80000000);
}

const slowOperations: { readonly [P in UnaryPrimitive | BinaryPrimitive | BitwisePrimitive]?: number } = {
  exp: 20,
  expm1: 22,
  log: 28,
  log1p: 36,
  tanh: 30,
  sin: 36,
  cos: 36,
  erf: 40,
  f16round: 8,
  atan2: 34,
  pow: 90,
  rem: 30,
  div: 3,
  sqrt: 3,
};

/** Rough number of instructions of one operation. */
export function operationCost(op: LoopOp): number {
  if (op.kind !== "apply") return 1;
  if (op.dtype !== "f32" && (op.primitive === "div" || op.primitive === "rem")) return 24;
  return (slowOperations as Readonly<Record<string, number | undefined>>)[op.primitive] ?? 1;
}
