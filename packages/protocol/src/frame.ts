/** Frames: `u32 header length | msgpack header | pad to 8 | raw bytes`, little-endian. Numbers in bulk are raw, never msgpack. */
import { Packr } from "msgpackr";
import { ProtocolError } from "./errors.ts";
import { plainData } from "./plain.ts";
import { scanHeader, type ScanLimits } from "./scan.ts";

export interface Frame {
  /** Plain data, still to be parsed by a schema. */
  readonly header: unknown;
  /** A view into the frame's bytes, starting at a multiple of 8 from the frame's start. */
  readonly body: Uint8Array;
}

export interface FrameLimits extends ScanLimits {
  readonly maxHeaderBytes: number;
}

/** Of every frame on a link. */
export const frameLimits: FrameLimits = { maxHeaderBytes: 64 * 1024, maxDepth: 16, maxElements: 65_536 };

const lengthBytes = 4;
const alignment = 8;
const packer = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: "number", variableMapSize: true });

/** One frame in one array; links that can send parts one after another use `encodeHeader` and save the copy of the body. */
export function encodeFrame(header: unknown, body?: Uint8Array, limits: FrameLimits = frameLimits): Uint8Array {
  const head = encodeHeader(header, limits);
  if (body === undefined || body.length === 0) return head;
  const frame = new Uint8Array(head.length + body.length);
  frame.set(head);
  frame.set(body, head.length);
  return frame;
}

/**
 * The first part of a frame, up to where the raw bytes begin; a frame without raw bytes is just this.
 *
 * @throws {ProtocolError} for a header that is not plain data or is beyond the limits
 */
export function encodeHeader(header: unknown, limits: FrameLimits = frameLimits): Uint8Array {
  // A view of memory that the packer uses again: it is copied below, before anything else is packed.
  const packed = packer.pack(plainData(header)) as Uint8Array;
  if (packed.length > limits.maxHeaderBytes) {
    throw new ProtocolError(
      "size",
      `header: ${packed.length} bytes, at most ${limits.maxHeaderBytes} are allowed; send bulk as payload`,
    );
  }
  scanHeader(packed, limits);
  const head = new Uint8Array(bodyOffset(packed.length));
  new DataView(head.buffer).setUint32(0, packed.length, true);
  head.set(packed, lengthBytes);
  return head;
}

/** Bytes that `encodeHeader` gives, for counting what is not sent. */
export function headerBytes(header: unknown): number {
  return bodyOffset((packer.pack(plainData(header)) as Uint8Array).length);
}

/**
 * Takes a frame apart without copying its body. The header is scanned before it is unpacked, so hostile bytes are cheap.
 *
 * @throws {ProtocolError} for everything that is not such a frame, and nothing else
 */
export function decodeFrame(bytes: Uint8Array, limits: FrameLimits = frameLimits): Frame {
  if (bytes.length < lengthBytes) {
    throw new ProtocolError("frame", `frame: at least ${lengthBytes} bytes expected, got ${bytes.length}`);
  }
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (headerBytes > limits.maxHeaderBytes) {
    throw new ProtocolError("size", `header: ${headerBytes} bytes, at most ${limits.maxHeaderBytes} are allowed`);
  }
  const offset = bodyOffset(headerBytes);
  if (offset > bytes.length) {
    throw new ProtocolError("frame", `frame: a header of ${headerBytes} bytes expected, the frame has ${bytes.length}`);
  }
  const packed = bytes.subarray(lengthBytes, lengthBytes + headerBytes);
  scanHeader(packed, limits);
  return { header: unpack(packed), body: bytes.subarray(offset) };
}

/**
 * The same for a frame that came in two parts, of which the first is its header; parts cut elsewhere are joined first.
 *
 * @throws {ProtocolError} as `decodeFrame`
 */
export function decodeFrameParts(head: Uint8Array, rest: Uint8Array, limits: FrameLimits = frameLimits): Frame {
  if (head.length >= lengthBytes) {
    const headerBytes = new DataView(head.buffer, head.byteOffset).getUint32(0, true);
    if (bodyOffset(headerBytes) === head.length) return { header: decodeFrame(head, limits).header, body: rest };
  }
  const joined = new Uint8Array(head.length + rest.length);
  joined.set(head);
  joined.set(rest, head.length);
  return decodeFrame(joined, limits);
}

function bodyOffset(headerBytes: number): number {
  return Math.ceil((lengthBytes + headerBytes) / alignment) * alignment;
}

function unpack(packed: Uint8Array): unknown {
  try {
    return packer.unpack(packed);
  } catch (cause) {
    throw new ProtocolError("header", "header: not msgpack", { cause });
  }
}
