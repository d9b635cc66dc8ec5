/** The disk of this machine, and what its refusals mean in words. */
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Disk } from "../disk.ts";
import { StoreError } from "../errors.ts";

export const nodeDisk: Disk = {
  write: (path, parts, { flush }) =>
    explained(path, async () => {
      await using file = await open(path, "w");
      let position = 0;
      for (const part of parts) {
        await writeAll(file, part, position);
        position += part.length;
      }
      if (flush) await file.sync();
    }),

  rename: (from, to, { flush }) =>
    explained(to, async () => {
      await rename(from, to);
      if (!flush) return;
      await using directory = await open(dirname(to), "r");
      await directory.sync();
    }),

  remove: (path) => explained(path, () => rm(path, { force: true })),

  async createLog(path) {
    const file = await explained(path, () => open(path, "w"));
    return {
      write: (bytes, position) => explained(path, () => writeAll(file, bytes, position)),
      flush: () => explained(path, () => file.datasync()),
      close: () => file.close(),
    };
  },

  transaction(database, work) {
    try {
      database.exec("BEGIN IMMEDIATE");
      work();
      database.exec("COMMIT");
    } catch (error) {
      // Some failures have undone everything already.
      if (database.isTransaction) database.exec("ROLLBACK");
      throw explainedSqlite(error, database);
    }
  },
};

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let offset = 0; offset < bytes.length;) {
    offset += (await file.write(bytes, offset, bytes.length - offset, position + offset)).bytesWritten;
  }
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; make room",
  EDQUOT: "the disk quota is used up; make room",
  EACCES: "it may not be written; check the permissions of the runs directory",
  EPERM: "it may not be written; check the permissions of the runs directory",
  EROFS: "the file system is read-only; make it writable, or choose another runs directory",
  ENOENT: "the directory is not there; was the run removed while it went on?",
  EIO: "the device reports an error; check the disk",
};

/** What whoever runs the machine can mend while the run waits. */
const passing = new Set(["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS"]);

/** SQLite's codes for a full disk, a read-only one, one that fails, and a file that cannot be opened. */
const passingSqlite: Readonly<Record<number, string>> = {
  13: "ENOSPC",
  8: "EROFS",
  10: "EIO",
  14: "EACCES",
};

function explainedSqlite(error: unknown, database: DatabaseSync): unknown {
  const code = passingSqlite[sqliteCode(error)];
  if (code === undefined) return error;
  return new StoreError(`${database.location() ?? "the database"}: ${remedies[code] ?? code}`, {
    cause: error,
    passing: true,
  });
}

/** SQLite's primary code of an error; 0 for others. */
export function sqliteCode(error: unknown): number {
  const { errcode } = (error ?? {}) as { readonly errcode?: unknown };
  return typeof errcode === "number" ? errcode & 0xff : 0;
}

/** Says in words what a failed file operation means. */
export async function explained<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    // Codes of the system are in capitals; what was explained before needs no more words.
    if (!/^E[A-Z0-9]+$/.test(code)) throw cause;
    throw new StoreError(`${path}: ${remedies[code] ?? `the disk answered ${code}`}`, {
      cause,
      passing: passing.has(code),
    });
  }
}
