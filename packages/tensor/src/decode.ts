/** Bytes to Program, believing nothing: every number is bounded and every type inferred again and compared. */
import { ByteReader } from "./bytes.ts";
import type { DType, TensorData } from "./dtype.ts";
import { arrayOf, bytesPerElement } from "./dtype.ts";
import { programMagic, programVersion } from "./encode.ts";
import { WeftError } from "./errors.ts";
import { halfValue, hasHalfArrays } from "./half.ts";
import { infer } from "./infer.ts";
import { decodingOf, opcodes } from "./opcodes.ts";
import type { Codec } from "./paramCodec.ts";
import { dtypeCodec, paramCodecs } from "./paramCodec.ts";
import type { PlainParams, Shape } from "./primitive.ts";
import type {
  CallParams,
  Instruction,
  Literal,
  Primitive,
  PrimitiveParams,
  Program,
  ScanParams,
  TensorType,
} from "./program.ts";
import { sizeOf, typeText } from "./program.ts";

/** What a Program from elsewhere may ask for before it is refused. What it costs to run, `cost` says. */
export interface DecodeLimits {
  /** In the program and all bodies of loops and calls together. Default 100,000. */
  readonly maxInstructions?: number;
  /** Of all literals together. Default 64 MiB. */
  readonly maxLiteralBytes?: number;
  /** Of any one value, and of any number in a parameter. Default 2^28. */
  readonly maxElements?: number;
  /** Axes of any one value. Default 16. */
  readonly maxRank?: number;
  /** Loops and calls within each other. Default 8. */
  readonly maxDepth?: number;
}

const defaults = {
  maxInstructions: 100_000,
  maxLiteralBytes: 64 * 2 ** 20,
  maxElements: 2 ** 28,
  maxRank: 16,
  maxDepth: 8,
} as const satisfies Required<DecodeLimits>;

/**
 * Reads a Program that `encode` wrote.
 *
 * @throws {ProgramError} on anything else, however it was made; memory stays in proportion to the bytes
 */
export function decode(bytes: Uint8Array, limits: DecodeLimits = {}): Program {
  const reader = new ByteReader(bytes);
  const magic = reader.raw(programMagic.length, "the magic");
  if (programMagic.some((byte, i) => byte !== magic[i])) throw reader.error("this does not begin with WEFT");
  const version = reader.natural(2 ** 31, "the version");
  if (version !== programVersion) {
    throw reader.error(`version ${version} is not known, this is version ${programVersion}`);
  }
  const budget = { ...defaults, ...limits };
  const program = readProgram({ reader, budget, depth: 0 });
  if (reader.remaining > 0) throw reader.error(`${reader.remaining} bytes follow the program`);
  return program;
}

interface Decoding {
  readonly reader: ByteReader;
  /** What is left of the limits. */
  readonly budget: { -readonly [K in keyof DecodeLimits]-?: number };
  readonly depth: number;
}

function readProgram(decoding: Decoding): Program {
  const { reader, budget } = decoding;
  const inputs = repeat(reader.count("inputs"), () => readType(decoding));
  const literals = repeat(reader.count("literals"), () => readLiteral(decoding));
  const types: TensorType[] = [...inputs, ...literals];
  const count = reader.count("instructions");
  budget.maxInstructions -= count;
  if (budget.maxInstructions < 0) throw reader.error(`${count} instructions are more than are allowed`);
  const instructions = repeat(count, () => {
    const instruction = readInstruction(decoding, types);
    for (const type of instruction.outputs) types.push(type);
    return instruction;
  });
  return { inputs, literals, instructions, outputs: readValues(reader, types.length, "outputs") };
}

const primitives = decodingOf(opcodes);

function readInstruction(decoding: Decoding, types: readonly TensorType[]): Instruction {
  const { reader, budget } = decoding;
  const primitive = primitives.get(reader.natural(255, "an opcode"));
  if (primitive === undefined) throw reader.error("unknown opcode");
  const params =
    primitive === "scan"
      ? readScan(decoding)
      : primitive === "call"
        ? readCall(decoding)
        : (paramCodecs[primitive] as Codec<PlainParams[keyof PlainParams]>).read(reader, budget.maxElements);
  if (primitive === "constant") checkConstant(decoding, params as PlainParams["constant"]);
  const inputs = readValues(reader, types.length, "operands");
  const declared = repeat(reader.count("results"), () => readType(decoding));
  const inferred = inferChecked(
    decoding,
    primitive,
    inputs.map((value) => types[value] as TensorType),
    params,
  );
  const [got, expected] = [declared, inferred].map((list) => list.map(typeText).join(", "));
  if (got !== expected) throw reader.error(`${primitive} gives (${expected}), not (${got})`);
  return { primitive, params, inputs, outputs: declared } as Instruction;
}

function readScan(decoding: Decoding): ScanParams {
  const { reader, budget } = decoding;
  const inner = deeper(decoding);
  const [length = 0, constants = 0, carry = 0] = repeat(3, () => reader.natural(budget.maxElements, "a loop's size"));
  const reverse = reader.natural(1, "a flag") === 1;
  return { body: readProgram(inner), length, constants, carry, reverse };
}

function readCall(decoding: Decoding): CallParams {
  const inner = deeper(decoding);
  const [recompute, hasBackward] = [0, 0].map(() => decoding.reader.natural(1, "a flag") === 1);
  const body = readProgram(inner);
  return { body, ...(hasBackward && { backward: readProgram(inner) }), recompute: recompute === true };
}

function deeper(decoding: Decoding): Decoding {
  const { reader, budget, depth } = decoding;
  if (depth >= budget.maxDepth) throw reader.error(`loops and calls are nested more than ${budget.maxDepth} deep`);
  return { ...decoding, depth: depth + 1 };
}

function inferChecked(
  { reader }: Decoding,
  primitive: Primitive,
  inputs: readonly TensorType[],
  params: PrimitiveParams[Primitive],
): readonly TensorType[] {
  try {
    return infer(primitive, inputs, params);
  } catch (cause) {
    if (!(cause instanceof WeftError)) throw cause;
    throw reader.error(cause.message, cause);
  }
}

function readType({ reader, budget }: Decoding): TensorType {
  const dtype = dtypeCodec.read(reader, 0);
  const rank = reader.natural(budget.maxRank, "a rank");
  const shape = repeat(rank, () => reader.natural(budget.maxElements, "the size of an axis"));
  checkElements({ reader, budget }, shape);
  return { shape, dtype };
}

/** Empty axes do not hide others: [0, 2^28, 2^28] is refused, for it overflows where a result drops the empty axis. */
function checkElements({ reader, budget }: Pick<Decoding, "reader" | "budget">, shape: Shape): void {
  const size = sizeOf(shape.map((n) => Math.max(1, n)));
  if (size > budget.maxElements) throw reader.error(`[${shape.join()}] has more than ${budget.maxElements} elements`);
}

function readLiteral(decoding: Decoding): Literal {
  const { reader, budget } = decoding;
  const { shape, dtype } = readType(decoding);
  const length = sizeOf(shape) * bytesPerElement[dtype];
  budget.maxLiteralBytes -= length;
  if (budget.maxLiteralBytes < 0) throw reader.error(`literals are larger than is allowed`);
  const data = elementsOf(reader.raw(length, "a literal"), dtype);
  if (dtype === "bool" && data.some((value) => value > 1)) throw reader.error("a bool is neither 0 nor 1");
  return { shape, dtype, data };
}

/** Every JavaScript engine in use is little-endian, so the bytes are the elements once they are aligned. */
function elementsOf(bytes: Uint8Array, dtype: DType): TensorData {
  const { buffer } = bytes.slice();
  if (dtype === "f16" && !hasHalfArrays) return new arrayOf.f16([...new Uint16Array(buffer)].map(halfValue));
  return new arrayOf[dtype](buffer);
}

/** A constant must be a value of its dtype, for backends write it down as it is. */
function checkConstant({ reader }: Decoding, { dtype, value }: PlainParams["constant"]): void {
  const [least, most] = {
    i32: [-(2 ** 31), 2 ** 31 - 1],
    u32: [0, 2 ** 32 - 1],
    bool: [0, 1],
    f32: [],
    f16: [],
    f64: [],
  }[dtype];
  if (least === undefined || most === undefined) return;
  if (!Number.isInteger(value) || value < least || value > most)
    throw reader.error(`${value} is not of dtype ${dtype}`);
}

function readValues(reader: ByteReader, known: number, what: string): number[] {
  return repeat(reader.count(what), () => {
    const value = reader.natural(2 ** 31, "a value number");
    if (value >= known) throw reader.error(`value ${value} is read where only ${known} are known`);
    return value;
  });
}

function repeat<T>(count: number, read: () => T): T[] {
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read());
  return items;
}
