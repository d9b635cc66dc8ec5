/**
 * A walk over msgpack bytes before they are unpacked: it builds nothing, so that a bomb (nesting, millions of empty maps,
 * extensions that refer to themselves) costs no memory. Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
import { ProtocolError } from "./errors.ts";
import { forbiddenKeys } from "./plain.ts";

export interface ScanLimits {
  readonly maxDepth: number;
  /** Values in all, keys included. */
  readonly maxElements: number;
}

/**
 * Checks that `bytes` are exactly one msgpack value of plain data.
 *
 * @throws {ProtocolError} for extensions, binary, keys that are not strings or that name a prototype, and past the limits
 */
export function scanHeader(bytes: Uint8Array, limits: ScanLimits): void {
  const end = walk({ bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), limits, seen: 0 });
  if (end !== bytes.length) {
    throw new ProtocolError("header", `header: one value expected, ${bytes.length - end} bytes follow it`);
  }
}

interface Scan {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly limits: ScanLimits;
  /** Elements seen so far. */
  seen: number;
}

/** Container levels still open: how many values each waits for, and whether it is a map. */
interface Level {
  missing: number;
  readonly map: boolean;
}

function walk(scan: Scan): number {
  const levels: Level[] = [{ missing: 1, map: false }];
  let at = 0;
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    if (level.missing === 0) {
      levels.pop();
      continue;
    }
    const isKey = level.map && level.missing % 2 === 0;
    level.missing -= 1;
    scan.seen += 1;
    if (scan.seen > scan.limits.maxElements) {
      throw new ProtocolError("header", `header: more than ${scan.limits.maxElements} values`);
    }
    const item = readItem(scan, at);
    if (isKey) checkKey(scan.bytes, item);
    at = item.end;
    if (item.kind === "array" || item.kind === "map") {
      if (levels.length > scan.limits.maxDepth) {
        throw new ProtocolError("header", `header: nested deeper than ${scan.limits.maxDepth}`);
      }
      const map = item.kind === "map";
      levels.push({ missing: map ? item.size * 2 : item.size, map });
    }
  }
  return at;
}

interface Item {
  readonly kind: "scalar" | "string" | "array" | "map";
  /** Bytes of a string, entries of a container. */
  readonly size: number;
  /** Where the next value begins. */
  readonly end: number;
}

/** Extra bytes after the type byte of nil, booleans and numbers: 0xc0…0xd3. */
const scalarBytes: Readonly<Record<number, number>> = {
  0xc0: 0,
  0xc2: 0,
  0xc3: 0,
  0xca: 4,
  0xcb: 8,
  0xcc: 1,
  0xcd: 2,
  0xce: 4,
  0xcf: 8,
  0xd0: 1,
  0xd1: 2,
  0xd2: 4,
  0xd3: 8,
};

/** Types whose size follows in 1, 2 or 4 bytes. */
const sizedTypes: Readonly<Record<number, readonly [Item["kind"], 1 | 2 | 4]>> = {
  0xd9: ["string", 1],
  0xda: ["string", 2],
  0xdb: ["string", 4],
  0xdc: ["array", 2],
  0xdd: ["array", 4],
  0xde: ["map", 2],
  0xdf: ["map", 4],
};

function readItem(scan: Scan, at: number): Item {
  need(scan, at, 1);
  const type = scan.view.getUint8(at);
  if (type < 0x80 || type >= 0xe0) return { kind: "scalar", size: 0, end: at + 1 };
  if (type < 0x90) return { kind: "map", size: type & 0x0f, end: at + 1 };
  if (type < 0xa0) return { kind: "array", size: type & 0x0f, end: at + 1 };
  if (type < 0xc0) return sized(scan, { kind: "string", size: type & 0x1f, end: at + 1 });
  const scalar = scalarBytes[type];
  if (scalar !== undefined) {
    need(scan, at + 1, scalar);
    return { kind: "scalar", size: 0, end: at + 1 + scalar };
  }
  const entry = sizedTypes[type];
  if (entry === undefined) {
    throw new ProtocolError(
      "header",
      `header: msgpack type 0x${type.toString(16)} at byte ${at}; only nil, booleans, numbers, strings, arrays and maps are allowed`,
    );
  }
  const [kind, width] = entry;
  need(scan, at + 1, width);
  return sized(scan, { kind, size: readSize(scan.view, at + 1, width), end: at + 1 + width });
}

/** Checks that what an item announces can be there: a string's bytes, or at least one byte for each entry. */
function sized(scan: Scan, item: Item): Item {
  need(scan, item.end, item.kind === "map" ? item.size * 2 : item.size);
  return item.kind === "string" ? { ...item, end: item.end + item.size } : item;
}

function readSize(view: DataView, at: number, width: 1 | 2 | 4): number {
  if (width === 1) return view.getUint8(at);
  return width === 2 ? view.getUint16(at) : view.getUint32(at);
}

function need(scan: Scan, at: number, bytes: number): void {
  if (at + bytes > scan.bytes.length) {
    throw new ProtocolError(
      "header",
      `header: ends after ${scan.bytes.length} bytes, a value needs ${at + bytes} at least`,
    );
  }
}

function checkKey(bytes: Uint8Array, item: Item): void {
  if (item.kind !== "string") throw new ProtocolError("header", "header: a map has a key that is not a string");
  for (const key of forbiddenKeys) {
    if (item.size === key.length && holdsText(bytes, item.end - item.size, key)) {
      throw new ProtocolError("header", `header: a map has the key "${key}"`);
    }
  }
}

function holdsText(bytes: Uint8Array, at: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (bytes[at + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}
