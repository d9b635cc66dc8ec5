/** Takes uploads out of the sums that they should not be in any more: segment by segment, one after another, in turns of the event loop. */
import { loopTurns } from "@weft/transport";
import type { Upload } from "./upload.ts";

export class Leaving {
  readonly #uploads = new Set<Upload>();
  #underWay: Promise<void> = Promise.resolve();

  /** Whether nothing is left in the sums that should not be there. */
  get isOver(): boolean {
    return this.#uploads.size === 0;
  }

  /** Begins with an upload that was moved, if anything of it is to leave. */
  begin(upload: Upload): void {
    if (!upload.isLeaving) return;
    const isUnderWay = !this.isOver;
    this.#uploads.add(upload);
    if (isUnderWay) return;
    this.#underWay = this.#takeOut();
    // Its failure is met by whoever waits until sums are settled.
    this.#underWay.catch(() => undefined);
  }

  async #takeOut(): Promise<void> {
    for (const upload of this.#uploads) {
      while (upload.isLeaving) {
        await loopTurns.next();
        upload.leave();
      }
      this.#uploads.delete(upload);
    }
  }

  /** Resolves when all has left. */
  async over(): Promise<void> {
    while (!this.isOver) await this.#underWay;
  }

  /** The sums are emptied: nothing has to be taken out of them. */
  forget(): void {
    for (const upload of this.#uploads) upload.hasLeft();
    this.#uploads.clear();
  }
}
