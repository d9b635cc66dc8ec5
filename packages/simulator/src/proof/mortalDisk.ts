/** The disk of one coordinator process: from the moment the process is dead, nothing reaches it any more. */
import { type Disk, StoreError } from "@weft/coordinator";

export interface DiskState {
  /** Asked before each use; the use itself may be what kills the process. */
  readonly isAlive: () => boolean;
  /** Whether there is no room on it. */
  readonly isFull: () => boolean;
}

export function mortalDisk(disk: Disk, { isAlive, isFull }: DiskState): Disk {
  const assertAlive = () => {
    if (!isAlive()) throw new Error("the process is dead");
  };
  const assertRoom = () => {
    assertAlive();
    if (isFull()) throw new StoreError("the disk is full; make room", { passing: true });
  };
  const use = async <T>(work: () => Promise<T>): Promise<T> => {
    assertRoom();
    return work();
  };
  return {
    write: (path, parts, options) => use(() => disk.write(path, parts, options)),
    rename: (from, to, options) => use(() => disk.rename(from, to, options)),
    // A file can always go.
    remove: async (path) => {
      assertAlive();
      await disk.remove(path);
    },
    transaction(database, work) {
      assertRoom();
      disk.transaction(database, work);
    },
    createLog: (path) =>
      use(async () => {
        const file = await disk.createLog(path);
        return {
          write: (bytes, position) => use(() => file.write(bytes, position)),
          flush: () => use(() => file.flush()),
          // The system closes a dead process's files.
          close: () => file.close(),
        };
      }),
  };
}
