/** Arithmetic on this thread, one task after another, on the backend that is current. */
import type { Trainer } from "@weft/worker";
import type { Compute } from "./compute.ts";
import { isMeasurable, meansOf, measure, testParts, train, type Sets } from "./tasks.ts";

export function computeHere(trainer: Trainer, sets: Sets): Compute {
  const { test } = sets;
  return {
    atOnce: 1,
    train: (task) => train(trainer, task, sets),
    done: () => undefined,
    measure: (task) => measure(trainer, task, sets.train),
    evaluate:
      test === undefined || !isMeasurable(trainer)
        ? undefined
        : async (base) => {
            const parts: { examples: number; means: Record<string, number> }[] = [];
            for (const rows of testParts(test)) {
              parts.push({ examples: rows.length, means: await measure(trainer, { base, rows, state: {} }, test) });
            }
            return meansOf(parts);
          },
    close: () => Promise.resolve(),
  };
}
