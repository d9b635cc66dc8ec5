/** SHA-256 in hexadecimal: WebCrypto where the page or process has it, @noble/hashes on insecure origins. */
import { sha256 as portableSha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

/** Up to here hashing at once is quicker than WebCrypto's way to another thread and back. */
const smallBytes = 4096;

export async function sha256(bytes: Uint8Array): Promise<string> {
  if (bytes.length <= smallBytes) return bytesToHex(portableSha256(bytes));
  // `subtle` is absent on pages served over plain http from other than localhost.
  const subtle = globalThis.crypto.subtle as SubtleCrypto | undefined;
  if (!subtle) return bytesToHex(portableSha256(bytes));
  return bytesToHex(new Uint8Array(await subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)));
}
