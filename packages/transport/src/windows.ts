/**
 * How far senders may be ahead of those who read their payloads: all that a thread reads at once shares one amount. Heartbeats
 * wait behind what is under way, so with twenty uploads of 4 MiB each they would wait for 80 MiB, a fifth of a second's work.
 */
import { chunkBytes } from "@weft/protocol";

const mebibyte = 1024 * 1024;
/** Of one payload, however few there are. */
const windowBytes = 4 * mebibyte;
const sharedBytes = 12 * mebibyte;
const grantBytes = mebibyte;

export class Windows {
  #readers = 0;

  begin(): void {
    this.#readers += 1;
  }

  end(): void {
    this.#readers -= 1;
  }

  /** Bytes that may be under way, or unread, of each payload: whole chunks, and one at least. */
  get eachBytes(): number {
    const share = Math.min(windowBytes, sharedBytes / Math.max(1, this.#readers));
    return Math.max(1, Math.floor(share / chunkBytes)) * chunkBytes;
  }

  /** What is granted at once: in few messages rather than one for each chunk, but always in time. */
  get grantBytes(): number {
    return Math.max(chunkBytes, Math.min(grantBytes, this.eachBytes / 4));
  }
}

/** Of this thread. */
export const windows = new Windows();
