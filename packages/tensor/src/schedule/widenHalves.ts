/**
 * f16 for backends that compute in f32: every value of f16 becomes one of f32 that f16 holds too, rounded wherever a
 * primitive could have left f16. Sums, differences, products, quotients and roots are then f16's own, bit for bit: f32 has
 * more than twice f16's digits, so that rounding twice is rounding once (Figueroa 1995).
 */
import { f16round } from "../half.ts";
import type { Instruction, Primitive, Program, TensorType } from "../program.ts";
import { valueTypes } from "../program.ts";

/** Primitives whose result f16 holds when it holds their operands. */
const closed = new Set<Primitive>([
  ...(["identity", "stopGradient", "neg", "abs", "sign", "floor", "ceil", "round", "f16round"] as const),
  ...(["max", "min", "rem", "select", "reduceMax", "windowMax", "windowGather", "gather"] as const),
  ...(["reshape", "transpose", "broadcast", "slice", "pad", "concat", "reverse", "scan", "call"] as const),
]);

/** The same program over f32, with inputs and results of f16 as f32; itself where it has no f16. */
export function widenHalves(program: Program): Program {
  if (!holdsHalves(program)) return program;
  const renamed: number[] = [];
  const given = program.inputs.length + program.literals.length;
  for (let value = 0; value < given; value++) renamed.push(value);
  const instructions: Instruction[] = [];
  let next = given;
  for (const instruction of program.instructions) {
    const outputs = instruction.outputs.map(wideType);
    const inputs = instruction.inputs.map((value) => renamed[value]!);
    instructions.push({ ...instruction, params: wideParams(instruction), inputs, outputs } as Instruction);
    const rounds = instruction.outputs[0]?.dtype === "f16" && !isClosed(instruction);
    outputs.forEach((_, output) => renamed.push(next + output + (rounds ? 1 : 0)));
    next += outputs.length;
    if (!rounds) continue;
    instructions.push({
      ...instruction,
      primitive: "f16round",
      params: {},
      inputs: [next - 1],
      outputs,
    });
    next++;
  }
  return {
    inputs: program.inputs.map(wideType),
    literals: program.literals.map((literal) =>
      literal.dtype === "f16" ? { ...wideType(literal), data: Float32Array.from(literal.data) } : literal,
    ),
    instructions,
    outputs: program.outputs.map((value) => renamed[value]!),
  };
}

const known = new WeakMap<Program, boolean>();

function holdsHalves(program: Program): boolean {
  let result = known.get(program);
  if (result === undefined) {
    const inBody = ({ primitive, params }: Instruction) =>
      (primitive === "scan" || primitive === "call") && holdsHalves(params.body);
    result = valueTypes(program).some(({ dtype }) => dtype === "f16") || program.instructions.some(inBody);
    known.set(program, result);
  }
  return result;
}

const wideType = ({ shape, dtype }: TensorType): TensorType => ({ shape, dtype: dtype === "f16" ? "f32" : dtype });

/** A constant is rounded here, once; small whole numbers need no rounding. */
function isClosed({ primitive, outputs }: Instruction): boolean {
  const counts = primitive === "iota" && Math.max(0, ...(outputs[0]?.shape ?? [])) <= 2048;
  return closed.has(primitive) || primitive === "constant" || counts;
}

function wideParams({ primitive, params }: Instruction): Instruction["params"] {
  switch (primitive) {
    case "constant":
      return params.dtype === "f16" ? { ...params, dtype: "f32", value: f16round(params.value) } : params;
    case "iota":
    case "cast":
      return params.dtype === "f16" ? { ...params, dtype: "f32" } : params;
    // What a call holds for gradients is not read any more.
    case "call":
      return { body: widenHalves(params.body), recompute: params.recompute };
    case "scan":
      return { ...params, body: widenHalves(params.body) };
    default:
      return params;
  }
}
