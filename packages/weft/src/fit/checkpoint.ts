/** Writes the parameters to a file as training goes on. */
import type { Callback, Watched } from "./callback.ts";
import { isBetter, watchedValue } from "./callback.ts";

export interface CheckpointOptions {
  /** A safetensors file; `{epoch}` in it becomes the epoch's number. */
  readonly path: string;
  /** Epochs from one file to the next; default 1. */
  readonly every?: number;
  /** Only when this is better than in every file before. */
  readonly best?: Watched;
}

export function checkpoint({ path, every = 1, best }: CheckpointOptions): Callback {
  let bestValue: number | undefined;
  return {
    onStart() {
      bestValue = undefined;
    },
    async onEpoch(record, control) {
      if (record.epoch % every !== 0) return;
      if (best) {
        const value = watchedValue(record, best);
        if (!isBetter(value, bestValue, best)) return;
        bestValue = value;
      }
      await control.save(path.replaceAll("{epoch}", String(record.epoch)));
    },
  };
}
