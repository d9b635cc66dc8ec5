/**
 * The write-ahead log between two checkpoints: for every round the combined update, from which the server optimiser gives
 * the same version again. A record is `magic, version, elements | f32 blocks | crc32, magic, hash of the version`; whatever
 * is not whole to the last byte does not count.
 */
import { open, type FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { blockCount, blockRange } from "@weft/vector";
import { explained, type LogFile } from "./disk.ts";

const headBytes = 16;
const tailBytes = 8 + 32;
const headMagic = 0x31525457; // "WTR1"
const tailMagic = 0x45525457; // "WTRE"

/** Bytes of a record for a vector of `elements`. */
export const recordBytes = (elements: number) => headBytes + 4 * elements + tailBytes;

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

/** The whole records of a log in order, up to the first that is cut short or damaged. The vector is one, overwritten each time. */
export async function* readLog(path: string, elements: number): AsyncGenerator<LogRecord, void, undefined> {
  const file = await explained(path, () => open(path, "r"));
  try {
    const update = new Float32Array(elements);
    for (let at = 0; ; at += recordBytes(elements)) {
      const record = await readRecord(file, at, update);
      if (record === undefined) return;
      yield record;
    }
  } finally {
    await file.close();
  }
}

async function readRecord(file: FileHandle, at: number, update: Float32Array): Promise<LogRecord | undefined> {
  const bytes = (array: Float32Array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const head = new Uint8Array(headBytes);
  if (!(await fill(file, head, at))) return undefined;
  const headView = new DataView(head.buffer);
  if (headView.getUint32(0, true) !== headMagic || headView.getFloat64(8, true) !== update.length) return undefined;
  let crc = crc32(head);
  for (let block = 0; block < blockCount(update.length); block++) {
    const { start, end } = blockRange(update.length, block);
    const part = bytes(update.subarray(start, end));
    if (!(await fill(file, part, at + headBytes + 4 * start))) return undefined;
    crc = crc32(part, crc);
  }
  const tail = new Uint8Array(tailBytes);
  if (!(await fill(file, tail, at + headBytes + 4 * update.length))) return undefined;
  const tailView = new DataView(tail.buffer);
  crc = crc32(tail.subarray(8), crc);
  if (tailView.getUint32(0, true) !== crc || tailView.getUint32(4, true) !== tailMagic) return undefined;
  return { version: headView.getUint32(4, true), hash: Buffer.from(tail.subarray(8)).toString("hex"), update };
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
