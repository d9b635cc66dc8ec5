/** Gives memory back at once that would else be garbage until it is collected: results of a backend, copied to where they belong. */
/** Only for an array that nobody else holds. */
export function letGo({ buffer }: ArrayBufferView): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
