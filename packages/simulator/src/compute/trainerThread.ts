/** One of the threads that train for a simulation: an engine of its own, a trainer for the job, tasks one after another. */
import { parentPort } from "node:worker_threads";
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { checkJob, createTrainer, type Trainer } from "@weft/worker";
import { measure, train, type Sets } from "./tasks.ts";
import type { FromThread, ToThread } from "./threadMessages.ts";

if (parentPort === null) throw new Error("a trainer's thread was started as a program");
const port = parentPort;

/** Versions kept: orders of a buffered pace may be on older ones. */
const keptBases = 64;

const bases = new Map<number, Float32Array>();
/** The version that the last task was on, in memory of this thread's own: copied once for all its tasks. */
let current: { readonly base: number; readonly values: Float32Array } | undefined;
let begun: { readonly trainer: Trainer; readonly sets: Sets } | undefined;
let last: Promise<void> = Promise.resolve();

setBackend(createWasmBackend({ blas: "auto" }));

port.on("message", (message: ToThread) => {
  // One after another, in the order they came.
  last = last
    .then(() => handle(message))
    .catch((error: unknown) => {
      answer({ kind: "failed", error });
    });
});

const answer = (message: FromThread, moved: readonly ArrayBuffer[] = []): void => {
  port.postMessage(message, moved);
};

function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`a task came before its ${what}`);
  return value;
}

async function handle(message: ToThread): Promise<void> {
  switch (message.kind) {
    case "job":
      begun = { trainer: createTrainer(checkJob(message.job)), sets: message };
      bases.clear();
      current = undefined;
      answer({ kind: "ready" });
      return;
    case "base":
      bases.set(message.base, message.values);
      for (const oldest of bases.keys()) if (bases.size > keptBases) bases.delete(oldest);
      return;
    case "train":
      await answerTraining(message);
      return;
    case "measure": {
      const { trainer, sets } = present(begun, "job");
      const { task, rows, state, set } = message;
      const base = baseOf(message);
      const means = await measure(trainer, { base, rows, state }, present(sets[set], "data"));
      answer({ kind: "means", task, means });
      return;
    }
    default:
      message satisfies never;
  }
}

async function answerTraining(message: Extract<ToThread, { kind: "train" }>): Promise<void> {
  const { trainer, sets } = present(begun, "job");
  const { task, order, round, rows, state } = message;
  const base = baseOf(message);
  const bytes = new Uint8Array(message.room);
  const room = new Float32Array(message.room, 0, trainer.job.manifest.size);
  const answered = await train(trainer, { base, order, round, rows, state }, { train: sets.train, room });
  const back = [message.room];
  if (answered.kind === "declined") {
    answer({ task, ...answered, room: message.room }, back);
    return;
  }
  const { payload, ...rest } = answered;
  let offset = 0;
  for (const part of payload) {
    const liesThere = part.buffer === message.room && part.byteOffset === offset;
    if (!liesThere) bytes.set(part, offset);
    offset += part.length;
  }
  answer({ task, ...rest, lengths: payload.map(({ length }) => length), room: message.room }, back);
}

function baseOf({ base }: { readonly base: number }): Float32Array {
  if (current?.base !== base) current = { base, values: present(bases.get(base), "version").slice() };
  return current.values;
}
