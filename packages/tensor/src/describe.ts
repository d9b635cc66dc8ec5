/** A Program as text, one line per value: the same Program gives the same text, so tests can hold on to it. */
import type { Instruction, Literal, Program } from "./program.ts";
import { typeText } from "./program.ts";

/**
 * ```
 * %0 f32[32,784] = input
 * %1 f32[784,10] = input
 * %2 f32[32,10] = dot %0 %1 {lhsContract: [1], rhsContract: [0]}
 * return %2
 * ```
 * Parameters that the types show already, and those that are empty or false, are left out; the body of a loop or call follows, indented.
 */
export function describe(program: Program): string {
  const lines: string[] = [];
  describeInto(lines, program, "");
  return lines.join("\n");
}

function describeInto(lines: string[], program: Program, indent: string): void {
  let next = 0;
  for (const type of program.inputs) lines.push(`${indent}%${next++} ${typeText(type)} = input`);
  for (const literal of program.literals) {
    lines.push(`${indent}%${next++} ${typeText(literal)} = literal [${elementsText(literal)}]`);
  }
  for (const instruction of program.instructions) {
    const results = instruction.outputs.map((type) => `%${next++} ${typeText(type)}`).join(", ");
    const operands = instruction.inputs.map((value) => ` %${value}`).join("");
    lines.push(`${indent}${results} = ${instruction.primitive}${operands}${paramsText(instruction)}`);
    if (instruction.primitive !== "scan" && instruction.primitive !== "call") continue;
    describeInto(lines, instruction.params.body, `${indent}  `);
    if (instruction.primitive === "scan" || !instruction.params.backward) continue;
    lines.push(`${indent}  backward`);
    describeInto(lines, instruction.params.backward, `${indent}    `);
  }
  lines.push(`${indent}return${program.outputs.map((value) => ` %${value}`).join("")}`);
}

const shownElements = 6;

function elementsText({ data }: Literal): string {
  const shown = [...data.subarray(0, shownElements)].map(String).join(", ");
  return data.length > shownElements ? `${shown}, …` : shown;
}

function paramsText({ primitive, params }: Instruction): string {
  const inType = (name: string) =>
    name === "dtype" || (name === "shape" && primitive !== "randomBits") || name === "body" || name === "backward";
  const entries = Object.entries(params)
    .filter(([name, value]) => !inType(name) && value !== false && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name}: ${valueText(value)}`);
  return entries.length > 0 ? ` {${entries.join(", ")}}` : "";
}

const valueText = (value: unknown): string =>
  Array.isArray(value) ? `[${value.map(valueText).join(", ")}]` : Object.is(value, -0) ? "-0" : String(value);
