/** Programs as text that is equal for equal Programs only, for caches to tell them apart by. */
import type { TensorData } from "./dtype.ts";
import type { Primitive, PrimitiveParams, Program } from "./program.ts";
import { typeText } from "./program.ts";

const texts = new WeakMap<Program, string>();

/** Not for people to read: `describe` is. */
export function programText(program: Program): string {
  let text = texts.get(program);
  if (text === undefined) {
    text = written(program);
    texts.set(program, text);
  }
  return text;
}

/** Types of results are left out, since they follow from the operands'. */
function written({ inputs, literals, instructions, outputs }: Program): string {
  const parts = [inputs.map(typeText).join()];
  for (const literal of literals) parts.push(typeText(literal) + bitsText(literal.data));
  for (const instruction of instructions) {
    parts.push(`${instruction.primitive}(${instruction.inputs.join()})${paramsText(instruction)}`);
  }
  parts.push(outputs.join());
  return parts.join(";");
}

type Operation = {
  readonly [P in Primitive]: { readonly primitive: P; readonly params: PrimitiveParams[P] };
}[Primitive];

/** Equal for equal parameters of one primitive only. */
export function paramsText({ primitive, params }: Operation): string {
  if (primitive === "constant") return `${params.dtype}[${params.shape.join()}]${numberText(params.value)}`;
  if (primitive === "call") {
    const { body, backward, recompute } = params;
    return `${String(recompute)}{${programText(body)}}${backward ? `{${programText(backward)}}` : ""}`;
  }
  if (primitive !== "scan") return JSON.stringify(params);
  const { body, ...rest } = params;
  return `${JSON.stringify(rest)}{${programText(body)}}`;
}

/** Bits, for numbers as text would not tell zeros and NaNs apart. */
function bitsText({ buffer, byteOffset, byteLength, BYTES_PER_ELEMENT }: TensorData): string {
  if (BYTES_PER_ELEMENT < 4) return new Uint8Array(buffer, byteOffset, byteLength).join();
  return new Uint32Array(buffer, byteOffset, byteLength / 4).join();
}

const numberText = (value: number) => (Object.is(value, -0) ? "-0" : String(value));
