/**
 * A Program as compact, versioned bytes.
 *
 * Layout: magic "WEFT", version, then a program: inputs (types), literals (type, little-endian elements), instructions
 * (opcode, parameters, operands, result types), outputs. Counts and numbers are LEB128; the body of a loop or call is a program in place.
 * The same Program gives the same bytes.
 */
import { ByteWriter } from "./bytes.ts";
import { halfBits, hasHalfArrays } from "./half.ts";
import { opcodes } from "./opcodes.ts";
import type { Codec } from "./paramCodec.ts";
import { dtypeCodec, paramCodecs } from "./paramCodec.ts";
import type { PlainParams } from "./primitive.ts";
import type { Instruction, Literal, Program, TensorType } from "./program.ts";

export const programMagic: readonly number[] = [0x57, 0x45, 0x46, 0x54];
export const programVersion = 1;

/** The bytes of a Program; `decode` reads them. */
export function encode(program: Program): Uint8Array {
  const writer = new ByteWriter();
  writer.raw(Uint8Array.from(programMagic));
  writer.natural(programVersion);
  writeProgram(writer, program);
  return writer.finish();
}

function writeProgram(writer: ByteWriter, program: Program): void {
  writer.natural(program.inputs.length);
  for (const type of program.inputs) writeType(writer, type);
  writer.natural(program.literals.length);
  for (const literal of program.literals) {
    writeType(writer, literal);
    writer.raw(bytesOf(literal));
  }
  writer.natural(program.instructions.length);
  for (const instruction of program.instructions) writeInstruction(writer, instruction);
  writeNaturals(writer, program.outputs);
}

function bytesOf({ dtype, data }: Literal): Uint8Array {
  const stored = dtype === "f16" && !hasHalfArrays ? Uint16Array.from(data, halfBits) : data;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

function writeInstruction(writer: ByteWriter, instruction: Instruction): void {
  writer.natural(opcodes[instruction.primitive]);
  if (instruction.primitive === "call") {
    const { body, backward, recompute } = instruction.params;
    for (const flag of [recompute, backward !== undefined]) writer.natural(flag ? 1 : 0);
    for (const program of backward ? [body, backward] : [body]) writeProgram(writer, program);
  } else if (instruction.primitive === "scan") {
    const { body, length, constants, carry, reverse } = instruction.params;
    for (const number of [length, constants, carry, reverse ? 1 : 0]) writer.natural(number);
    writeProgram(writer, body);
  } else {
    const codec = paramCodecs[instruction.primitive] as Codec<PlainParams[keyof PlainParams]>;
    codec.write(writer, instruction.params);
  }
  writeNaturals(writer, instruction.inputs);
  writer.natural(instruction.outputs.length);
  for (const type of instruction.outputs) writeType(writer, type);
}

function writeType(writer: ByteWriter, { shape, dtype }: TensorType): void {
  dtypeCodec.write(writer, dtype);
  writeNaturals(writer, shape);
}

function writeNaturals(writer: ByteWriter, values: readonly number[]): void {
  writer.natural(values.length);
  for (const value of values) writer.natural(value);
}
