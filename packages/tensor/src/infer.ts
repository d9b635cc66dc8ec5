/** Result types of every primitive, checked: the one place that says which operands a primitive accepts. */
import type { DType } from "./dtype.ts";
import { isFloat, isInteger } from "./dtype.ts";
import { DTypeError, ShapeError } from "./errors.ts";
import { convRules } from "./inferConv.ts";
import { shapeRules } from "./inferShape.ts";
import type { InferRule } from "./inferRule.ts";
import { assertAxis, assertSame, only } from "./inferRule.ts";
import type { BinaryPrimitive, BitwisePrimitive, UnaryPrimitive } from "./primitive.ts";
import type { Primitive, PrimitiveParams } from "./program.ts";
import { binaryNames, bitwiseNames, unaryNames } from "./primitive.ts";
import type { TensorType } from "./program.ts";
import { typeText, valueTypes } from "./program.ts";

/** @throws {ShapeError | DTypeError} naming the primitive, what came and what to do */
export function infer<P extends Primitive>(
  primitive: P,
  inputs: readonly TensorType[],
  params: PrimitiveParams[P],
): readonly TensorType[] {
  const rule: InferRule<P> = rules[primitive];
  return rule(inputs, params, primitive);
}

const integerUnary: readonly string[] = ["identity", "neg", "abs", "sign"];

const unary: InferRule<UnaryPrimitive> = (inputs, _, name) => {
  const [x] = only(name, inputs, 1);
  const accepted = isFloat(x.dtype) || name === "identity" || (isInteger(x.dtype) && integerUnary.includes(name));
  if (!accepted) throw new DTypeError(`${name}: expected a float tensor, got ${typeText(x)}; cast it to f32 first`);
  return [{ shape: x.shape, dtype: x.dtype }];
};

const binary: InferRule<BinaryPrimitive> = (inputs, _, name) => {
  const [x, y] = only(name, inputs, 2);
  assertSame(name, x, y);
  if (x.dtype === "bool") throw new DTypeError(`${name}: bool operands; cast them to f32 or i32, or use and/or/not`);
  if (isInteger(x.dtype) && (name === "pow" || name === "atan2")) {
    throw new DTypeError(`${name}: expected float tensors, got ${x.dtype}; cast them to f32 first`);
  }
  return [{ shape: x.shape, dtype: x.dtype }];
};

const bitwise: InferRule<BitwisePrimitive> = (inputs, _, name) => {
  const [x, y] = only(name, inputs, 2);
  assertSame(name, x, y);
  const accepted = isInteger(x.dtype) || (x.dtype === "bool" && !name.startsWith("shift"));
  if (!accepted) throw new DTypeError(`${name}: expected integer or bool tensors, got ${x.dtype}; cast them first`);
  return [{ shape: x.shape, dtype: x.dtype }];
};

const reduction: InferRule<"sum" | "reduceMax"> = (inputs, { axes }, name) => {
  const [x] = only(name, inputs, 1);
  axes.forEach((axis, i) => {
    assertAxis(name, x, axis);
    if (i > 0 && axis <= (axes[i - 1] ?? 0)) throw new ShapeError(`${name}: axes [${axes.join()}] must increase`);
  });
  if (x.dtype === "bool") throw new DTypeError(`${name}: bool operand; cast it to i32 or f32 first`);
  return [{ shape: x.shape.filter((_, axis) => !axes.includes(axis)), dtype: x.dtype }];
};

const needsDType = (name: string, type: TensorType, dtype: DType, role: string) => {
  if (type.dtype !== dtype) {
    throw new DTypeError(`${name}: ${role} must be ${dtype}, got ${typeText(type)}; cast it with .cast("${dtype}")`);
  }
};

const tableOf = <N extends string, R>(names: readonly N[], rule: R): Record<N, R> =>
  Object.fromEntries(names.map((name) => [name, rule])) as Record<N, R>;

const inferScan: InferRule<"scan"> = (inputs, { body, length, constants, carry }, name) => {
  const operands = only(name, inputs, body.inputs.length);
  const slices = body.inputs.length - constants - carry;
  if (slices < 0 || length < 0 || body.outputs.length < carry) {
    throw new ShapeError(
      `scan: body of ${body.inputs.length} inputs cannot hold ${constants} constants, ${carry} carries`,
    );
  }
  operands.forEach((operand, i) => {
    const expected = body.inputs[i] as TensorType;
    const shape = i < constants + carry ? expected.shape : [length, ...expected.shape];
    if (operand.dtype !== expected.dtype || operand.shape.join() !== shape.join()) {
      throw new ShapeError(
        `scan: operand ${i} must be ${typeText({ shape, dtype: expected.dtype })}, got ${typeText(operand)}`,
      );
    }
  });
  const types = valueTypes(body);
  const outputs = body.outputs.map((value) => types[value] as TensorType);
  outputs.slice(0, carry).forEach((output, i) => {
    const expected = body.inputs[constants + i] as TensorType;
    if (typeText(output) !== typeText(expected)) {
      throw new ShapeError(
        `scan: carry ${i} enters as ${typeText(expected)} and leaves as ${typeText(output)}; keep its type`,
      );
    }
  });
  return outputs.map(({ shape, dtype }, i) => ({ shape: i < carry ? shape : [length, ...shape], dtype }));
};

const inferCall: InferRule<"call"> = (inputs, { body, backward }, name) => {
  only(name, inputs, body.inputs.length);
  const types = valueTypes(body);
  const outputs = body.outputs.map((value) => types[value] as TensorType);
  assertList("call: operands", inputs, body.inputs);
  if (backward) {
    const backwardTypes = valueTypes(backward);
    const floats = (list: readonly TensorType[]) => list.filter(({ dtype }) => isFloat(dtype));
    assertList("call: inputs of backward", backward.inputs, [...inputs, ...outputs, ...floats(outputs)]);
    const cotangents = backward.outputs.map((value) => backwardTypes[value] as TensorType);
    assertList("call: results of backward", cotangents, floats(inputs));
  }
  return outputs.map(({ shape, dtype }) => ({ shape, dtype }));
};

function assertList(role: string, got: readonly TensorType[], expected: readonly TensorType[]): void {
  const [is, must] = [got, expected].map((list) => list.map(typeText).join(", "));
  if (is !== must) throw new ShapeError(`${role} must be (${must}), got (${is}); cast or reshape them`);
}

const rules: { readonly [P in Primitive]: InferRule<P> } = {
  ...tableOf(unaryNames, unary),
  ...tableOf(binaryNames, binary),
  ...tableOf(bitwiseNames, bitwise),
  ...shapeRules,
  ...convRules,
  constant: (inputs, { shape, dtype, value }, name) => {
    only(name, inputs, 0);
    const integral = !isInteger(dtype) || Number.isInteger(value);
    if (!integral) throw new DTypeError(`constant: ${String(value)} is not an ${dtype}; use a whole number or f32`);
    return [{ shape, dtype }];
  },
  iota: (inputs, { shape, dtype, axis }, name) => {
    only(name, inputs, 0);
    assertAxis(name, { shape, dtype }, axis);
    if (dtype === "bool") throw new DTypeError("iota: cannot count in bool; use i32");
    return [{ shape, dtype }];
  },
  randomBits: (inputs, { shape }, name) => {
    const [key] = only(name, inputs, 1);
    needsDType(name, key, "u32", "the key");
    if (key.shape.at(-1) !== 2) throw new ShapeError(`randomBits: a key is u32[..., 2], got ${typeText(key)}`);
    return [{ shape: [...key.shape.slice(0, -1), ...shape], dtype: "u32" }];
  },
  stopGradient: (inputs, _, name) => {
    const [x] = only(name, inputs, 1);
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  not: (inputs, _, name) => {
    const [x] = only(name, inputs, 1);
    needsDType(name, x, "bool", "the operand");
    return [{ shape: x.shape, dtype: "bool" }];
  },
  compare: (inputs, _, name) => {
    const [x, y] = only(name, inputs, 2);
    assertSame(name, x, y);
    return [{ shape: x.shape, dtype: "bool" }];
  },
  select: (inputs, _, name) => {
    const [condition, x, y] = only(name, inputs, 3);
    needsDType(name, condition, "bool", "the condition");
    assertSame(name, x, y);
    if (condition.shape.join() !== x.shape.join()) {
      throw new ShapeError(
        `select: condition ${typeText(condition)} and values ${typeText(x)} differ; broadcast first`,
      );
    }
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  cast: (inputs, { dtype }, name) => {
    const [x] = only(name, inputs, 1);
    return [{ shape: x.shape, dtype }];
  },
  sum: reduction,
  reduceMax: reduction,
  argmax: (inputs, { axis }, name) => {
    const [x] = only(name, inputs, 1);
    assertAxis(name, x, axis);
    if (x.shape[axis] === 0) throw new ShapeError(`argmax: axis ${axis} of ${typeText(x)} is empty`);
    return [{ shape: x.shape.filter((_, i) => i !== axis), dtype: "i32" }];
  },
  argsort: (inputs, { axis }, name) => {
    const [x] = only(name, inputs, 1);
    assertAxis(name, x, axis);
    return [{ shape: x.shape, dtype: "i32" }];
  },
  cumsum: (inputs, { axis }, name) => {
    const [x] = only(name, inputs, 1);
    assertAxis(name, x, axis);
    if (x.dtype === "bool") throw new DTypeError("cumsum: bool operand; cast it to i32 first");
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  scan: inferScan,
  call: inferCall,
};
