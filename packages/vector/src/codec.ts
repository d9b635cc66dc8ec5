/** Codecs: how the values of one block become bytes on the wire, and back. All are little-endian, as every engine Weft runs on. */
import { CodecError } from "./errors.ts";
import { f16 } from "./f16.ts";
import { f32 } from "./f32.ts";
import type { Codec, CodecName } from "./codecContract.ts";

const codecs: { readonly [N in CodecName]: Codec } = { f32, f16 };

export const codecNames: readonly CodecName[] = ["f32", "f16"];

/**
 * The codec of that name.
 *
 * @throws {CodecError} when there is none
 */
export function codecOf(name: string): Codec {
  const known = codecNames.find((candidate) => candidate === name);
  if (known === undefined) {
    throw new CodecError(`codec ${JSON.stringify(name.slice(0, 32))}: expected one of ${codecNames.join(", ")}`);
  }
  return codecs[known];
}
