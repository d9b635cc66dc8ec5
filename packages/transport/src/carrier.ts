/** What carries a link's frames: a socket that keeps message boundaries and order. The link drives it; it reports to a sink. */

export interface Carrier {
  readonly remote: string;
  /** Bytes accepted by `send` that have not left yet. */
  readonly bufferedBytes: number;
  /** Whether others should have their turn before more is sent; `mayGoOn` says when. Absent where nobody else is there. */
  readonly isHeld?: boolean;
  /** The same for messages, which wait for less. */
  readonly messagesWait?: boolean;
  /** One frame in parts. They are only read, and not after they have left, so the same bytes may go to many carriers. */
  send(parts: readonly Uint8Array[]): void;
  /** Lets what was sent go out, then closes; reports `ended` in any case, after seconds at the latest. */
  close(code: number, reason: string): void;
  /** Ends at once, without a farewell. */
  terminate(): void;
}

export interface CarrierSink {
  /** One whole frame, or its first and its last part where it came in two; the bytes belong to the sink. */
  receive(frame: Uint8Array, rest?: Uint8Array): void;
  /** A ping of the carrier's own has come, and was answered. */
  pinged(): void;
  /** What came breaks the rules of the carrier itself; `code` says which close code tells the peer. */
  fault(code: number, reason: string, cause?: unknown): void;
  /** Some buffered bytes have left. */
  drained(): void;
  /** Others have had their turn. */
  mayGoOn(): void;
  /** The last call. */
  ended(code: number, reason: string): void;
}

/** What to tell a peer that sends text. */
export const textFault = [1003, "text is not spoken here; frames are binary"] as const;

/** A carrier that does not finish closing within this time is torn down. */
export const closeTimeoutMs = 2000;

/** Cut to the 123 bytes of UTF-8 that a WebSocket close frame has room for. */
export function closeText(reason: string): string {
  const bytes = new TextEncoder().encode(reason);
  return bytes.length <= 123 ? reason : `${new TextDecoder().decode(bytes.subarray(0, 117)).replace(/\uFFFD+$/, "")}…`;
}

export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const joined = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
