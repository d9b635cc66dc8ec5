/**
 * Takes an upload that was moved to where it belongs while more of it comes. Whoever reads it does not wait for that: what comes is
 * kept at once, so that no bytes wait in memory, however many are moved together.
 */
import { loopTurns } from "@weft/transport";
import type { Reason } from "../round/runEvent.ts";
import type { Upload } from "./upload.ts";

export class Following {
  readonly #upload: Upload;
  readonly #isWanted: () => boolean;
  #isUnderWay = false;
  #problem: Reason | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** @param isWanted whether whoever began it still reads */
  constructor(upload: Upload, isWanted: () => boolean) {
    this.#upload = upload;
    this.#isWanted = isWanted;
  }

  /**
   * Goes on in later turns, if the upload is behind. Returns what was found wrong with it so far, if anything.
   *
   * @throws what went wrong here, as where it is kept
   */
  goOn(): Reason | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (!this.#isUnderWay && this.#isBehind) void this.#follow();
    return this.#problem;
  }

  get #isBehind(): boolean {
    const { dropped, folding, isFolded } = this.#upload;
    return this.#problem === undefined && this.#isWanted() && !dropped && folding && !isFolded;
  }

  async #follow(): Promise<void> {
    this.#isUnderWay = true;
    try {
      do {
        await loopTurns.next();
        this.#problem = this.#isWanted() ? this.#upload.catchUp() : undefined;
      } while (this.#isBehind);
    } catch (error) {
      this.#failure = { error };
    }
    this.#isUnderWay = false;
  }
}
