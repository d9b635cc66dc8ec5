/** The disk of one coordinator process: from the moment the process is dead, nothing reaches it any more. */
import type { Disk } from "@weft/coordinator";

/** @param isAlive asked before each use; the use itself may be what kills the process */
export function mortalDisk(disk: Disk, isAlive: () => boolean): Disk {
  const assertAlive = () => {
    if (!isAlive()) throw new Error("the process is dead");
  };
  const use = async <T>(work: () => Promise<T>): Promise<T> => {
    assertAlive();
    return work();
  };
  return {
    write: (path, parts, options) => use(() => disk.write(path, parts, options)),
    rename: (from, to, options) => use(() => disk.rename(from, to, options)),
    remove: (path) => use(() => disk.remove(path)),
    transaction(database, work) {
      assertAlive();
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
