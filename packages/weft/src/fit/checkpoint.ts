/** Writes a fit to a file as training goes on, such that `resume` takes it up again. */
import type { Callback, Watched } from "./callback.ts";
import { isBetter, watchedValue } from "./callback.ts";

export interface CheckpointOptions {
  /** A safetensors file; `{epoch}` in it becomes the epoch's number. */
  readonly path: string;
  /** Epochs from one file to the next; default 1. */
  readonly every?: number;
  /** Only when this is better than in every file before. */
  readonly best?: Watched;
  /** Leaves out what only `resume` needs: for files that others read. Default false. */
  readonly weightsOnly?: boolean;
}

/** Decides when all callbacks hear of an epoch, and writes when all have heard, so that the file has what each remembers of it. */
export function checkpoint({ path, every = 1, best, weightsOnly = false }: CheckpointOptions): Callback {
  let bestValue: number | undefined;
  let isDue = false;
  return {
    name: "checkpoint",
    memory: () => ({ values: bestValue === undefined ? {} : { bestValue } }),
    recall({ values }) {
      bestValue = values["bestValue"];
    },
    onStart() {
      bestValue = undefined;
    },
    onEpoch(record) {
      isDue = record.epoch % every === 0;
      if (!isDue || !best) return;
      const value = watchedValue(record, best);
      isDue = isBetter(value, bestValue, best);
      if (isDue) bestValue = value;
    },
    async afterEpoch({ epoch }, control) {
      if (isDue) await control.save(path.replaceAll("{epoch}", String(epoch)), { weightsOnly });
    },
  };
}
