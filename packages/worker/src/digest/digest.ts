/** SHA-256 of bytes that come piece by piece. */

export interface Digest {
  update(bytes: Uint8Array): void;
  /** The hash in hexadecimal; nothing can be added after. */
  hex(): string;
}
