/** From Program back to lazy graph. */
import { ShapeError } from "./errors.ts";
import { Tensor, bindAll } from "./graph.ts";
import type { Primitive, PrimitiveParams, Program } from "./program.ts";
import { typeText } from "./program.ts";

/**
 * Runs a Program on tensors, lazily: the result is the graph that the Program was traced from, with `inputs` in it.
 *
 * @throws {ShapeError} when the inputs are not of the program's types
 */
export function apply(program: Program, inputs: readonly Tensor[]): Tensor[] {
  const expected = program.inputs.map(typeText).join(", ");
  const got = inputs.map(typeText).join(", ");
  if (expected !== got)
    throw new ShapeError(`apply: the program takes (${expected}), got (${got}); cast or reshape them`);
  const values: Tensor[] = [...inputs];
  for (const { shape, dtype, data } of program.literals) {
    values.push(new Tensor({ shape, dtype }, { kind: "data", value: data }));
  }
  const at = (value: number): Tensor => {
    const tensor = values[value];
    if (!tensor) throw new Error(`value ${value} is read before it is computed`);
    return tensor;
  };
  for (const instruction of program.instructions) {
    const { primitive, params }: { primitive: Primitive; params: PrimitiveParams[Primitive] } = instruction;
    values.push(...bindAll(primitive, instruction.inputs.map(at), params));
  }
  return program.outputs.map(at);
}
