/** A thread that makes initial weights: a backend as the coordinator's, the job's program, parameters as they are asked for. */
import { parentPort, workerData } from "node:worker_threads";
import type { Backend } from "@weft/tensor";
import { initializeHere } from "./initializer.ts";
import type { FromThread, ThreadStart, ToThread } from "./initializerMessages.ts";

if (parentPort === null) throw new Error("a thread for initial weights was started as a program");
const port = parentPort;

const { recipe, ...initialization } = workerData as ThreadStart;
const makers = (await import(recipe.module)) as Readonly<Record<string, (options: unknown) => Backend>>;
const backend = makers[recipe.maker]!(recipe.options);
answer({ kind: "begun" });

try {
  const initializer = initializeHere(initialization, backend);
  port.on("message", (places: ToThread) => {
    initializer.make(places).then((values) => {
      const buffers = values.map(({ buffer }) => buffer).filter((buffer) => buffer instanceof ArrayBuffer);
      answer({ kind: "made", values }, [...new Set(buffers)]);
    }, fail);
  });
  answer({ kind: "ready", count: initializer.count });
} catch (error) {
  fail(error);
}

function answer(message: FromThread, moved: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, moved);
}

function fail(error: unknown): void {
  answer({ kind: "failed", name: error instanceof Error ? error.name : "", error });
}
