/** A payload of any size in little memory: the same mebibyte over and over. */
const part = Uint8Array.from({ length: 2 ** 20 }, (_, i) => (i * 2654435761) >>> 24);

/** @param bytes whole mebibytes */
export const payloadOf = (bytes: number): Uint8Array[] => Array.from({ length: bytes / part.length }, () => part);
