/** Reads a file, unpacked when it is gzip, as bytes or as text. */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { DataFileError } from "./errors.ts";

/** @throws {DataFileError} when the file cannot be read or unpacked */
export async function readBytes(path: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new DataFileError(`${path}: cannot be read (${reason(cause)}); check the path and its permissions`, {
      cause,
    });
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    throw new DataFileError(`${path}: not a whole gzip file (${reason(cause)}); fetch or pack it again`, { cause });
  }
}

export const reason = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** A file of UTF-8, unpacked when it is gzip. */
export async function readText(path: string): Promise<string> {
  const bytes = await readBytes(path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataFileError(`${path}: expected text in UTF-8, got other bytes (${reason(cause)}); save it as UTF-8`, {
      cause,
    });
  }
}
