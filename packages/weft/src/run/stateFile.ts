/** A worker's state in a file of its own, written beside it and renamed, so that a kill leaves the old or the new. */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { StateStore } from "@weft/worker";

/** @param name of the worker; several may share a directory */
export function stateFile(directory: string, name: string): StateStore {
  const path = join(directory, `worker-${name.replace(/[^\w.-]/g, "_")}.safetensors`);
  return {
    async load() {
      try {
        return new Uint8Array(await readFile(path));
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
        throw error;
      }
    },

    async save(bytes) {
      await mkdir(directory, { recursive: true });
      const file = await open(`${path}.part`, "w", 0o600); // it holds the token that resumes the worker's place
      try {
        await file.writeFile(bytes);
      } finally {
        await file.close();
      }
      await rename(`${path}.part`, path);
    },
  };
}
