/** UTF-8 for packages that have neither DOM nor Node types: strict decoding, and ASCII to bytes. */
import { SafetensorsError } from "./errors.ts";

/**
 * Decodes strictly: overlong forms, surrogates and truncated sequences are refused (RFC 3629).
 *
 * @throws {SafetensorsError} at the first malformed sequence
 */
export function decodeUtf8(bytes: Uint8Array): string {
  let text = "";
  let units: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const lead = bytes[at]!;
    const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    let point = length === 1 ? lead : lead & (0x7f >> length);
    let wellFormed = length > 0 && at + length <= bytes.length;
    for (let i = 1; i < length && wellFormed; i++) {
      const next = bytes[at + i]!;
      wellFormed = (next & 0xc0) === 0x80;
      point = (point << 6) | (next & 0x3f);
    }
    const smallest = [0, 0, 0x80, 0x800, 0x10000][length]!;
    if (!wellFormed || point < smallest || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
      throw new SafetensorsError(`the header is UTF-8 JSON, got a malformed sequence at its byte ${at}`);
    }
    if (point < 0x10000) units.push(point);
    else units.push(0xd7c0 + (point >> 10), 0xdc00 + (point & 0x3ff));
    at += length;
    // Spreading many arguments overflows the stack, so text grows in pieces.
    if (units.length >= 4096) {
      text += String.fromCharCode(...units);
      units = [];
    }
  }
  return text + String.fromCharCode(...units);
}

/** JSON text with everything outside ASCII written as \uXXXX, so that it has one byte a character. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
