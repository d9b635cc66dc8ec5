/** Reads and checks the header of a safetensors file, whose bytes may be hostile. */
import { SafetensorsError } from "./errors.ts";
import { arrayOf, elementsOf, isSize, type SafetensorsDType, safetensorsDTypes } from "./safetensorsType.ts";
import { asciiJson, decodeUtf8 } from "./utf8.ts";

/** Where a tensor lies: bytes [begin, end) of the data section. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** Byte at which the data section starts. */
  readonly dataStart: number;
  /** In the order of the data, which they tile without gap or overlap. */
  readonly entries: readonly HeaderEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** @throws {SafetensorsError} unless the bytes are one whole, valid file with a header of at most `limit` bytes */
export function readHeader(bytes: Uint8Array, limit: number): Header {
  if (bytes.length < 8) throw new SafetensorsError(`a file starts with an 8-byte length, got ${bytes.length} bytes`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > BigInt(Math.min(limit, bytes.length - 8))) {
    throw new SafetensorsError(
      `the header says it has ${length} bytes; the file has ${bytes.length - 8} after it, the limit is ${limit}`,
    );
  }
  const dataStart = 8 + Number(length);
  const fields = parseJsonObject(decodeUtf8(bytes.subarray(8, dataStart)));
  const entries: HeaderEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (name === "__metadata__") metadata = readMetadata(value);
    else entries.push(readEntry(name, value));
  }
  // Empty tensors share their place with a neighbour, so `end` decides between equal beginnings.
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let expected = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== expected) {
      throw new SafetensorsError(
        `tensor ${shown(name)} starts at byte ${begin} of the data; without gap or overlap, ${expected}`,
      );
    }
    expected = end;
  }
  if (dataStart + expected !== bytes.length) {
    throw new SafetensorsError(`the tensors take ${expected} bytes, the file has ${bytes.length - dataStart} for them`);
  }
  return { dataStart, entries, metadata };
}

function parseJsonObject(text: string): Record<string, unknown> {
  if (!text.startsWith("{")) throw new SafetensorsError("the header is a JSON object and starts with {");
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new SafetensorsError("the header is not valid JSON", { cause });
  }
  checkDistinctKeys(text);
  return parsed as Record<string, unknown>;
}

/** JSON.parse keeps the last of two equal keys in silence, so the keys of valid JSON are gone through once more. */
function checkDistinctKeys(json: string): void {
  const scopes: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === "{") scopes.push(new Set());
    else if (character === "}") scopes.pop();
    else if (character === '"') {
      const start = at++;
      for (; json[at] !== '"'; at++) if (json[at] === "\\") at++;
      let next = at + 1;
      while (" \t\n\r".includes(json[next]!)) next++;
      if (json[next] !== ":") continue;
      const key = JSON.parse(json.slice(start, at + 1)) as string;
      const scope = scopes.at(-1)!;
      if (scope.has(key)) throw new SafetensorsError(`the header has the key ${shown(key)} twice`);
      scope.add(key);
    }
  }
}

function readEntry(name: string, value: unknown): HeaderEntry {
  const where = `tensor ${shown(name)}`;
  if (!name.isWellFormed()) throw new SafetensorsError(`${where}: a name is well-formed Unicode`);
  const { dtype: code, shape, data_offsets: offsets } = readRecord(value, where);
  const dtype = safetensorsDTypes.find((candidate) => candidate === code);
  if (dtype === undefined) {
    throw new SafetensorsError(
      `${where}: dtype is one of ${safetensorsDTypes.join(", ")}, got ${typeof code === "string" ? shown(code) : typeof code}`,
    );
  }
  const elements = Array.isArray(shape) ? elementsOf(shape) : undefined;
  if (elements === undefined) throw new SafetensorsError(`${where}: shape is an array of sizes`);
  const [begin, end, ...rest] = Array.isArray(offsets) ? (offsets as unknown[]) : [];
  if (!isSize(begin) || !isSize(end) || rest.length > 0) {
    throw new SafetensorsError(`${where}: data_offsets is two byte offsets`);
  }
  const expected = elements * arrayOf[dtype].BYTES_PER_ELEMENT;
  if (end - begin !== expected) {
    throw new SafetensorsError(`${where}: its shape and dtype take ${expected} bytes, its offsets span ${end - begin}`);
  }
  return { name, dtype, shape: shape as readonly number[], begin, end };
}

function readMetadata(value: unknown): Record<string, string> {
  const metadata = readRecord(value, "__metadata__");
  for (const [key, text] of Object.entries(metadata)) {
    if (typeof text === "string" && text.isWellFormed() && key.isWellFormed()) continue;
    throw new SafetensorsError(`__metadata__ maps strings to strings; ${shown(key)} is not such`);
  }
  return metadata as Record<string, string>;
}

function readRecord(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new SafetensorsError(`${where} is not a JSON object`);
}

/** A name from the file as it may stand in a message: quoted, ASCII, cut. */
const shown = (name: string): string => asciiJson(name.slice(0, 64));
