/**
 * Safetensors, the file format of checkpoints: u64 header length, JSON header, raw little-endian tensors.
 * Source: https://github.com/huggingface/safetensors#format
 */
import { SafetensorsError } from "./errors.ts";
import { readHeader } from "./safetensorsHeader.ts";
import { arrayOf, elementsOf, type SafetensorsDType, type SafeTensor, tensorOf } from "./safetensorsType.ts";
import { asciiJson } from "./utf8.ts";

/** A file in pieces, to be written one after the other; the parts are views of the tensors' own memory. */
export interface SafetensorsParts {
  /** Length, JSON and padding; its size is a multiple of 8, so the data starts aligned. */
  readonly header: Uint8Array;
  readonly parts: readonly Uint8Array[];
  /** Length of the whole file. */
  readonly byteLength: number;
}

export interface SafetensorsLimits {
  /** Longest header to parse; 16 MiB unless said otherwise (some 100,000 tensors). */
  readonly headerBytes?: number;
}

/**
 * The file as one array of bytes.
 *
 * @throws {SafetensorsError} as `safetensorsParts` does
 */
export function encodeSafetensors(
  tensors: readonly SafeTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { header, parts, byteLength } = safetensorsParts(tensors, metadata);
  const bytes = new Uint8Array(byteLength);
  bytes.set(header);
  let offset = header.length;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/**
 * The file as a header and views of the tensors, nothing copied. Tensors of wider elements come first, so that every one is
 * aligned; otherwise they stay in order.
 *
 * @throws {SafetensorsError} for a duplicate or reserved name, a lone surrogate, or data that does not fit shape and dtype
 */
export function safetensorsParts(
  tensors: readonly SafeTensor[],
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsParts {
  const ordered = tensors.toSorted((a, b) => bytesPerElement(b.dtype) - bytesPerElement(a.dtype));
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${asciiJson(checkMetadata(metadata))}`);
  const names = new Set<string>(["__metadata__"]);
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const tensor of ordered) {
    const { name, dtype, shape, data } = checkTensor(tensor);
    if (names.has(name))
      throw new SafetensorsError(`tensor ${asciiJson(name)}: the name is taken or reserved; rename it`);
    names.add(name);
    const end = offset + data.byteLength;
    fields.push(`${asciiJson(name)}:${asciiJson({ dtype, shape, data_offsets: [offset, end] })}`);
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    offset = end;
  }
  const header = headerBytes(`{${fields.join(",")}}`);
  return { header, parts, byteLength: header.length + offset };
}

/**
 * Reads a file. Tensors are views of `bytes` where the address allows it, copies elsewhere.
 *
 * @throws {SafetensorsError} for whatever is not a whole, valid file, trailing bytes and gaps included
 */
export function decodeSafetensors(
  bytes: Uint8Array,
  { headerBytes: limit = 2 ** 24 }: SafetensorsLimits = {},
): { readonly tensors: ReadonlyMap<string, SafeTensor>; readonly metadata: Readonly<Record<string, string>> } {
  const { dataStart, entries, metadata } = readHeader(bytes, limit);
  const tensors = new Map<string, SafeTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    tensors.set(name, tensorOf({ name, shape, dtype }, bytes.subarray(dataStart + begin, dataStart + end)));
  }
  return { tensors, metadata };
}

function headerBytes(json: string): Uint8Array {
  // Spaces up to a multiple of 8, as the reference writer pads.
  const text = json.padEnd(Math.ceil(json.length / 8) * 8);
  const header = new Uint8Array(8 + text.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(text.length), true);
  for (let i = 0; i < text.length; i++) header[8 + i] = text.charCodeAt(i);
  return header;
}

function checkTensor(tensor: SafeTensor): SafeTensor {
  const { name, dtype, shape, data } = tensor;
  const shown = asciiJson(name);
  if (!name.isWellFormed()) throw new SafetensorsError(`tensor ${shown}: a name is well-formed Unicode`);
  if (!(data instanceof arrayOf[dtype])) {
    throw new SafetensorsError(`tensor ${shown}: dtype ${dtype} takes a ${arrayOf[dtype].name}`);
  }
  const elements = elementsOf(shape);
  if (elements !== data.length) {
    throw new SafetensorsError(
      `tensor ${shown}: shape [${shape.join(", ")}] has ${elements ?? "too many"} elements, got ${data.length}`,
    );
  }
  return tensor;
}

function checkMetadata(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [key, value] of Object.entries(metadata)) {
    if (!key.isWellFormed() || !value.isWellFormed()) {
      throw new SafetensorsError(`metadata ${asciiJson(key)}: keys and values are well-formed Unicode`);
    }
  }
  return metadata;
}

const bytesPerElement = (dtype: SafetensorsDType): number => arrayOf[dtype].BYTES_PER_ELEMENT;
