/** The IDX format of MNIST: big-endian magic (0, 0, type, rank), sizes, then the numbers row-major. */
import { DataFileError } from "./errors.ts";

export interface IdxArray {
  readonly shape: readonly number[];
  /** Bytes are a view into the file; wider types are converted from big-endian. */
  readonly numbers: Uint8Array | Float64Array;
}

interface ElementType {
  readonly bytes: number;
  readonly read: (view: DataView, offset: number) => number;
}

const types: Readonly<Record<number, ElementType>> = {
  0x08: { bytes: 1, read: (view, at) => view.getUint8(at) },
  0x09: { bytes: 1, read: (view, at) => view.getInt8(at) },
  0x0b: { bytes: 2, read: (view, at) => view.getInt16(at) },
  0x0c: { bytes: 4, read: (view, at) => view.getInt32(at) },
  0x0d: { bytes: 4, read: (view, at) => view.getFloat32(at) },
  0x0e: { bytes: 8, read: (view, at) => view.getFloat64(at) },
};
const unsignedBytes = 0x08;

/** True when the bytes begin as an IDX file does. */
export function isIdx(bytes: Uint8Array): boolean {
  const [zero, alsoZero, type = 0, rank = 0] = bytes;
  return zero === 0 && alsoZero === 0 && type in types && rank >= 1 && rank <= 8;
}

/** @throws {DataFileError} naming `path` when the bytes are not one whole IDX array */
export function parseIdx(bytes: Uint8Array, path: string): IdxArray {
  const type = isIdx(bytes) ? types[bytes[2] ?? 0] : undefined;
  if (!type) throw new DataFileError(`${path}: expected an IDX file, got other bytes; see the IDX format of MNIST`);
  const rank = bytes[3] ?? 0;
  const header = 4 + 4 * rank;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < header) {
    throw new DataFileError(`${path}: expected a header of ${header} bytes, got ${bytes.length}; the file is cut off`);
  }
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const count = shape.reduce((size, n) => size * n, 1);
  if (bytes.length !== header + count * type.bytes) {
    throw new DataFileError(
      `${path}: expected ${header + count * type.bytes} bytes for shape [${shape.join()}], got ${bytes.length}; ` +
        "the file is cut off or has a tail",
    );
  }
  if (bytes[2] === unsignedBytes) return { shape, numbers: bytes.subarray(header) };
  const numbers = new Float64Array(count);
  for (let i = 0; i < count; i++) numbers[i] = type.read(view, header + i * type.bytes);
  return { shape, numbers };
}
