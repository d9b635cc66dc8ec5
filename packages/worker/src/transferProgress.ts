/** Tells now and then how far a large payload has come; small ones are there before anybody could look. */
import type { Clock } from "@weft/transport";
import type { WorkerEvent } from "./events.ts";

type Transfer = Extract<WorkerEvent, { event: "transfer" }>;

/** Called as bytes come or go, with how many there are by now and how many there will be. */
export type OnTransfer = (bytes: number, total: number) => void;

const leastBytes = 2 ** 20;
const everyMs = 250;

/** The first and the last call are told in any case. */
export function transferProgress(
  direction: Transfer["direction"],
  { clock, emit }: { readonly clock: Clock; readonly emit: (event: Transfer) => void },
): OnTransfer {
  let toldAt = -Infinity;
  return (bytes, total) => {
    if (total < leastBytes) return;
    if (bytes < total && clock.now() - toldAt < everyMs) return;
    toldAt = bytes < total ? clock.now() : -Infinity;
    emit({ event: "transfer", direction, bytes, total });
  };
}
