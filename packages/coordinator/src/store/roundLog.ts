/**
 * The write-ahead log between two checkpoints: for every round the combined update, from which the server optimiser gives
 * the same version again. A record is `magic, version, elements | f32 blocks | crc32, magic, hash of the version`; whatever
 * is not whole to the last byte does not count. Behind the last record stands a mark once its round is committed, where the next record
 * will begin: a database that has no row of it has forgotten the round.
 */
import { open, type FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { blockCount, blockRange } from "@weft/vector";
import type { LogFile } from "../disk.ts";
import { explained } from "./nodeDisk.ts";

const headBytes = 16;
const tailBytes = 8 + 32;
const headMagic = 0x31525457; // "WTR1"
const tailMagic = 0x45525457; // "WTRE"
const markMagic = 0x43525457; // "WTRC"
const markBytes = 8;

/** Bytes of a record for a vector of `elements`. */
const recordBytes = (elements: number) => headBytes + 4 * elements + tailBytes;

/** Carries a write out, again if need be. */
export type Retry = <T>(write: () => Promise<T>) => Promise<T>;

const once: Retry = (write) => write();

/** Appends records part by part, as the combined update is made. */
export class LogWriter {
  readonly #file: LogFile;
  #crc = 0;
  #bytes = 0;
  /** Where the record begins that was begun last. */
  #start = 0;
  #underway: Promise<void>[] = [];
  #retry: Retry = once;

  constructor(file: LogFile) {
    this.#file = file;
  }

  /** Of all records so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param retry how each write of the record is tried */
  begin(version: number, elements: number, retry: Retry = once): void {
    this.#retry = retry;
    const head = new DataView(new ArrayBuffer(headBytes));
    head.setUint32(0, headMagic, true);
    head.setUint32(4, version, true);
    head.setFloat64(8, elements, true);
    this.#crc = 0;
    this.#start = this.#bytes;
    void this.#append(new Uint8Array(head.buffer));
  }

  /** The values must stay as they are until the promise resolves. */
  part(values: Float32Array): Promise<void> {
    return this.#append(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  /** The tail goes out when everything before it has arrived, so a whole tail means a whole record. */
  async end(hash: string): Promise<void> {
    const tail = new Uint8Array(tailBytes);
    tail.set(Buffer.from(hash, "hex"), 8);
    const view = new DataView(tail.buffer);
    view.setUint32(0, crc32(tail.subarray(8), this.#crc), true);
    view.setUint32(4, tailMagic, true);
    await Promise.all(this.#underway.splice(0));
    const at = this.#bytes;
    this.#bytes += tail.length;
    await this.#retry(() => this.#file.write(tail, at));
  }

  /** Goes back to before the record begun last, to write it anew. */
  async rewind(): Promise<void> {
    await Promise.allSettled(this.#underway.splice(0));
    this.#bytes = this.#start;
  }

  /** The round of the last record is committed. Says so to whoever recovers; a mark that cannot be written is missed by nobody else. */
  async mark(version: number): Promise<void> {
    const mark = new DataView(new ArrayBuffer(markBytes));
    mark.setUint32(0, markMagic, true);
    mark.setUint32(4, version, true);
    await this.#file.write(new Uint8Array(mark.buffer), this.#bytes);
  }

  flush(): Promise<void> {
    return this.#retry(() => this.#file.flush());
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #append(bytes: Uint8Array): Promise<void> {
    this.#crc = crc32(bytes, this.#crc);
    const at = this.#bytes;
    const written = this.#retry(() => this.#file.write(bytes, at));
    // Its failure is met by the record's end.
    written.catch(() => undefined);
    this.#bytes += bytes.length;
    this.#underway.push(written);
    return written;
  }
}

export interface LogRecord {
  readonly version: number;
  readonly hash: string;
  readonly update: Float32Array;
}

export interface LogReading {
  /** Of the update that leads to a version. */
  readonly elementsOf: (version: number) => number;
  /** Told at the end of the version behind whose record there is a mark that its round was committed. */
  readonly onCommitted?: (version: number) => unknown;
}

/** The whole records of a log in order, up to the first that is cut short or damaged. Each vector may be overwritten by the next. */
export async function* readLog(
  path: string,
  { elementsOf, onCommitted }: LogReading,
): AsyncGenerator<LogRecord, void, undefined> {
  const file = await explained(path, () => open(path, "r"));
  try {
    let room = new Float32Array();
    for (let at = 0; ;) {
      const head = new Uint8Array(headBytes);
      const isThere = await fill(file, head, at);
      const marked = markIn(head);
      if (marked !== undefined) onCommitted?.(marked);
      if (!isThere) return;
      const { version, elements } = readHead(head);
      if (version === undefined || elements !== elementsOf(version)) return;
      if (room.length < elements) room = new Float32Array(elements);
      const update = room.subarray(0, elements);
      const hash = await readRest(file, at, { head, update });
      if (hash === undefined) return;
      yield { version, hash, update };
      at += recordBytes(elements);
    }
  } finally {
    await file.close();
  }
}

/** No version where the head is none. */
function readHead(head: Uint8Array): { readonly version?: number; readonly elements: number } {
  const view = new DataView(head.buffer);
  const elements = view.getFloat64(8, true);
  return view.getUint32(0, true) === headMagic ? { version: view.getUint32(4, true), elements } : { elements };
}

/** The version that a mark is of. */
function markIn(head: Uint8Array): number | undefined {
  const view = new DataView(head.buffer);
  return view.getUint32(0, true) === markMagic ? view.getUint32(4, true) : undefined;
}

/** Fills the update; the hash of the version, where the record is whole. */
async function readRest(
  file: FileHandle,
  at: number,
  { head, update }: { readonly head: Uint8Array; readonly update: Float32Array },
): Promise<string | undefined> {
  const bytes = (array: Float32Array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let crc = crc32(head);
  for (let block = 0; block < blockCount(update.length); block++) {
    const { start, end } = blockRange(update.length, block);
    const part = bytes(update.subarray(start, end));
    if (!(await fill(file, part, at + headBytes + 4 * start))) return undefined;
    crc = crc32(part, crc);
  }
  const tail = new Uint8Array(tailBytes);
  if (!(await fill(file, tail, at + headBytes + 4 * update.length))) return undefined;
  const view = new DataView(tail.buffer);
  crc = crc32(tail.subarray(8), crc);
  if (view.getUint32(0, true) !== crc || view.getUint32(4, true) !== tailMagic) return undefined;
  return Buffer.from(tail.subarray(8)).toString("hex");
}

/** Whether the file has all the bytes asked for. */
async function fill(file: FileHandle, bytes: Uint8Array, position: number): Promise<boolean> {
  for (let offset = 0; offset < bytes.length;) {
    const { bytesRead } = await file.read(bytes, offset, bytes.length - offset, position + offset);
    if (bytesRead === 0) return false;
    offset += bytesRead;
  }
  return true;
}
