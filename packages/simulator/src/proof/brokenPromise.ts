/** A promise that was not kept; the message says which. */
export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";
}
