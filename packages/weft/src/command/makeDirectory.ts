/** A directory that a command was told to write to. */
import { mkdir } from "node:fs/promises";
import { UsageError } from "../errors.ts";

/**
 * @param option that names it
 * @throws {UsageError} when it cannot be one
 */
export async function makeDirectory(path: string, option: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`${option} ${path}: not a directory that may be written (${reason}); give another`, { cause });
  }
}
