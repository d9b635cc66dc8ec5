/** Rebuilds a program instruction by instruction, with rules applied and equal instructions made once. */
import type { DType } from "../dtype.ts";
import { infer } from "../infer.ts";
import type { Shape } from "../primitive.ts";
import type { Instruction, Primitive, PrimitiveParams, Program, TensorType } from "../program.ts";
import { withoutDeadCode } from "../prune.ts";
import { inRegion, regionOf } from "./regions.ts";

/** A value that equals the instruction's result, perhaps emitted by the rule; undefined where the rule does not apply. */
export type Rule<P extends Primitive> = (rewriter: Rewriter, instruction: InstructionOf<P>) => number | undefined;

export type InstructionOf<P extends Primitive> = Extract<Instruction, { readonly primitive: P }>;

export type Rules = { readonly [P in Primitive]?: readonly Rule<P>[] };

export class Rewriter {
  readonly types: TensorType[];
  readonly #rules: Rules;
  readonly #instructions: Instruction[] = [];
  readonly #makers: (Instruction | undefined)[];
  readonly #made = new Map<string, number>();
  /** Of the instruction that is being rewritten (see regions.ts). */
  #region = 0;

  constructor(program: Program, rules: Rules) {
    this.types = [...program.inputs, ...program.literals];
    this.#makers = this.types.map(() => undefined);
    this.#rules = rules;
  }

  get instructions(): readonly Instruction[] {
    return this.#instructions;
  }

  /** The instruction that makes the value, if it is of the given kind. */
  maker<P extends Primitive>(value: number, primitive: P): InstructionOf<P> | undefined {
    const instruction = this.#makers[value];
    return instruction?.primitive === primitive ? (instruction as InstructionOf<P>) : undefined;
  }

  typeOf(value: number): TensorType {
    const type = this.types[value];
    if (!type) throw new Error(`value ${value} does not exist`);
    return type;
  }

  shapeOf(value: number): Shape {
    return this.typeOf(value).shape;
  }

  /** The number that fills the value, if it is known to be filled with one. */
  fillOf(value: number): number | undefined {
    return this.maker(value, "constant")?.params.value;
  }

  constant(value: number, type: { readonly shape: Shape; readonly dtype: DType }): number {
    return this.emit("constant", [], { shape: type.shape, dtype: type.dtype, value });
  }

  /** The primitive's result (the first, of several), after every rule that applies. */
  emit<P extends Primitive>(primitive: P, inputs: readonly number[], params: PrimitiveParams[P]): number {
    const outputs = infer(
      primitive,
      inputs.map((input) => this.typeOf(input)),
      params,
    );
    return this.add({ primitive, inputs, params, outputs } as Instruction);
  }

  /** Takes over an instruction of the program, in its region. */
  take(instruction: Instruction): number {
    this.#region = regionOf(instruction);
    return this.add(instruction);
  }

  add(instruction: Instruction): number {
    const [output] = instruction.outputs;
    if (output?.shape.includes(0) && instruction.outputs.length === 1 && instruction.primitive !== "constant") {
      return this.constant(0, output);
    }
    const rules = (this.#rules[instruction.primitive] ?? []) as readonly Rule<Primitive>[];
    for (const rule of rules) {
      const value = rule(this, instruction);
      if (value !== undefined) return value;
    }
    return this.#append(instruction);
  }

  #append(instruction: Instruction): number {
    const key = instruction.primitive === "scan" ? undefined : `${this.#region}${keyOf(instruction)}`;
    const known = key === undefined ? undefined : this.#made.get(key);
    if (known !== undefined) return known;
    const value = this.types.length;
    this.#instructions.push(inRegion(instruction, this.#region));
    for (const output of instruction.outputs) {
      this.types.push(output);
      this.#makers.push(instruction);
    }
    if (key !== undefined) this.#made.set(key, value);
    return value;
  }
}

function keyOf({ primitive, inputs, params }: Instruction): string {
  // All other numbers are whole, which JSON tells apart by itself.
  const exact = primitive === "constant" ? numberText(params.value) : "";
  return `${primitive}(${inputs.join()})${exact}${JSON.stringify(params)}`;
}

const numberText = (value: number) => (Object.is(value, -0) ? "-0" : String(value));

/** Passes a program through the rules once. */
export function rewrite(program: Program, rules: Rules): Program {
  const rewriter = new Rewriter(program, rules);
  const given = program.inputs.length + program.literals.length;
  const renamed = Array.from({ length: given }, (_, value) => value);
  for (const instruction of program.instructions) {
    const inputs = instruction.inputs.map((input) => renamed[input]!);
    const first = rewriter.take({ ...instruction, inputs });
    instruction.outputs.forEach((_, output) => renamed.push(first + output));
  }
  const outputs = program.outputs.map((value) => renamed[value]!);
  return withoutDeadCode({ ...program, instructions: rewriter.instructions, outputs });
}
