/** Comparing what a worker presents with what is expected, in a time that tells nothing about either. */
import { createHash, timingSafeEqual } from "node:crypto";

export function sameToken(presented: string, expected: string): boolean {
  const digest = (token: string) => createHash("sha256").update(token).digest();
  return timingSafeEqual(digest(presented), digest(expected));
}
