/** Threads of Node whose program is a module of the same package: its source, or what it was compiled to, as whoever starts it is. */
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * @param beside address of a module in the same folder: the caller's `import.meta.url`
 * @param name of the module, without extension
 */
export function startThread(beside: string, name: string, options: Omit<WorkerOptions, "execArgv"> = {}): Worker {
  const extension = extname(fileURLToPath(beside));
  // From source, Node leaves out the types itself.
  const execArgv = extension === ".ts" ? ["--conditions=weft-source"] : [];
  return new Worker(new URL(`./${name}${extension}`, beside), { ...options, execArgv });
}
