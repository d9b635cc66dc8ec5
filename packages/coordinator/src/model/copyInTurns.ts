/** Copies large vectors while others have their turn of the event loop. */
import type { TensorData } from "@weft/tensor";
import { loopTurns } from "@weft/transport";

/** Elements copied in a slice: a tenth of a millisecond, some where the memory has to be taken from the system first. */
const copiedAtOnce = 2 ** 17;

/** From the front of one vector to the front of another of the same type, which has room. */
export async function copyInTurns(from: TensorData, to: TensorData): Promise<void> {
  for (let at = 0; at < from.length; at += copiedAtOnce) {
    if (at > 0) await loopTurns.next();
    to.set(from.subarray(at, at + copiedAtOnce), at);
  }
}
