/** The few things the store does to a disk, each one step that a crash can come before, after, or (writes) in the middle of. */
import type { DatabaseSync } from "node:sqlite";

export interface Disk {
  /** Makes a file of these parts; flushed to the device when asked. */
  write(path: string, parts: readonly Uint8Array[], options: { readonly flush: boolean }): Promise<void>;
  /** Puts a file in the place of another, at once. */
  rename(from: string, to: string, options: { readonly flush: boolean }): Promise<void>;
  remove(path: string): Promise<void>;
  /** An empty file to be filled from the front. */
  createLog(path: string): Promise<LogFile>;
  /** All of the work, or none of it. */
  transaction(database: DatabaseSync, work: () => void): void;
}

export interface LogFile {
  /** Several writes may be under way at once. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** To the device. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
