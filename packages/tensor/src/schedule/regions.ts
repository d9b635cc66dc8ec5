/**
 * Calls become their bodies. What a call that recomputes holds is a region of its own: its instructions are not merged with
 * equal ones elsewhere, nor its loops with those elsewhere, for then its values would live from the first computation on.
 */
import type { CallParams, Instruction, Literal, Program } from "../program.ts";

type Regional = Instruction & { readonly region?: number };

/** Which region the instruction belongs to; 0 outside of all. */
export const regionOf = (instruction: Instruction): number => (instruction as Regional).region ?? 0;

export const inRegion = (instruction: Instruction, region: number): Instruction =>
  region === 0 ? instruction : Object.assign({ ...instruction }, { region });

export function inlineCalls(program: Program): Program {
  if (!program.instructions.some(({ primitive }) => primitive === "call")) return program;
  const inliner = new Inliner(program);
  return { ...program, literals: inliner.literals, ...inliner.inline() };
}

class Inliner {
  readonly literals: Literal[];
  readonly #program: Program;
  readonly #instructions: Instruction[] = [];
  #next: number;
  #regions = 0;

  constructor(program: Program) {
    this.#program = program;
    this.literals = [...program.literals, ...literalsOfCalls(program)];
    this.#next = program.inputs.length + this.literals.length;
  }

  inline(): Pick<Program, "instructions" | "outputs"> {
    const { inputs, literals } = this.#program;
    const given = Array.from({ length: inputs.length + literals.length }, (_, value) => value);
    let nextLiteral = given.length;
    const outputs = this.#body(this.#program, given, {
      region: 0,
      literalValues: (count) => Array.from({ length: count }, () => nextLiteral++),
    });
    return { instructions: this.#instructions, outputs };
  }

  /** Appends the body's instructions; nested calls go down by nesting, which `decode` bounds. */
  #body(body: Program, given: readonly number[], context: InlineContext): number[] {
    const renamed = [...given];
    const at = (value: number) => renamed[value]!;
    for (const instruction of body.instructions) {
      const operands = instruction.inputs.map(at);
      if (instruction.primitive === "call") {
        const inner = instruction.params;
        const values = [...operands, ...context.literalValues(inner.body.literals.length)];
        const region = this.#regionOf(inner, context.region);
        renamed.push(...this.#body(inner.body, values, { ...context, region }));
        continue;
      }
      const region = regionOf(instruction) || context.region;
      this.#instructions.push(inRegion({ ...instruction, inputs: operands }, region));
      for (let i = 0; i < instruction.outputs.length; i++) renamed.push(this.#next++);
    }
    return body.outputs.map(at);
  }

  #regionOf({ recompute }: CallParams, outer: number): number {
    return recompute ? ++this.#regions : outer;
  }
}

interface InlineContext {
  readonly region: number;
  /** Value numbers for the literals of the next call. */
  readonly literalValues: (count: number) => number[];
}

/** Literals of all calls, in the order in which the calls are inlined. */
function literalsOfCalls({ instructions }: Program): Literal[] {
  return instructions.flatMap((instruction) =>
    instruction.primitive === "call"
      ? [...instruction.params.body.literals, ...literalsOfCalls(instruction.params.body)]
      : [],
  );
}
