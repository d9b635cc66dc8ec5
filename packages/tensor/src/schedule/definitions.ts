/** Who makes each value of a program, who reads it, and which values are a contiguous part of another. */
import type { Shape } from "../primitive.ts";
import type { Instruction, Program, TensorType } from "../program.ts";
import { sizeOf, valueTypes } from "../program.ts";
import { rowMajorStrides } from "./affine.ts";
import type { ViewInstruction } from "./affine.ts";

/** A contiguous run inside another value. */
export interface ValuePlace {
  readonly value: number;
  /** In elements. */
  readonly offset: number;
}

export class Definitions {
  readonly program: Program;
  readonly types: readonly TensorType[];
  readonly #makers: (Instruction | undefined)[];
  /** Value number of each instruction's first output. */
  readonly firstOutput: readonly number[];

  constructor(program: Program) {
    this.program = program;
    this.types = valueTypes(program);
    const given = program.inputs.length + program.literals.length;
    this.#makers = new Array<undefined>(given).fill(undefined);
    this.firstOutput = program.instructions.map((instruction) => {
      const first = this.#makers.length;
      for (let i = 0; i < instruction.outputs.length; i++) this.#makers.push(instruction);
      return first;
    });
  }

  /** Undefined for inputs and literals. */
  instructionOf(value: number): Instruction | undefined {
    return this.#makers[value];
  }

  shapeOf(value: number): Shape {
    return this.types[value]?.shape ?? [];
  }

  sizeOf(value: number): number {
    return sizeOf(this.shapeOf(value));
  }

  /** Where `value` lies when it is, or is a contiguous part of, one of the `stored` values. */
  locate(value: number, stored: ReadonlySet<number>): ValuePlace | undefined {
    let offset = 0;
    for (let at = value; ;) {
      if (stored.has(at)) return { value: at, offset };
      const instruction = this.instructionOf(at);
      if (!instruction) return undefined;
      const skipped = this.#contiguousOffset(instruction);
      if (skipped === undefined) return undefined;
      offset += skipped;
      at = instruction.inputs[0]!;
    }
  }

  /** Elements skipped when the view's result is a contiguous part of its operand. */
  #contiguousOffset(instruction: Instruction): number | undefined {
    if (instruction.primitive === "reshape") return 0;
    if (instruction.primitive !== "slice") return undefined;
    const { start, step } = instruction.params;
    const shape = this.shapeOf(instruction.inputs[0]!);
    const sizes = instruction.outputs[0]?.shape ?? [];
    const first = sizes.findIndex((size) => size !== 1);
    const whole = shape.every((size, axis) => axis <= first || size === sizes[axis]);
    const dense = step.every((every, axis) => every === 1 || (sizes[axis] ?? 1) <= 1);
    if (first >= 0 && !(whole && dense)) return undefined;
    return rowMajorStrides(shape).reduce((sum, stride, axis) => sum + stride * (start[axis] ?? 0), 0);
  }
}

const views = new Set<string>(["reshape", "transpose", "broadcast", "slice", "reverse"]);

/** Whether the instruction only renames indices. */
export function isView(instruction: Instruction): instruction is ViewInstruction {
  return views.has(instruction.primitive);
}
