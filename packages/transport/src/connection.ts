/** What a connection is: ordered messages with optional streamed payloads, whatever carries them. */
import type { Message, PayloadLimits } from "@weft/protocol";
import type { TallyEntry } from "./tally.ts";

/** Raw bytes to send after a message; several parts go out one after another without being joined. */
export type OutgoingPayload = Uint8Array | readonly Uint8Array[];

/** A payload as it arrives. Chunks are acknowledged (credit is given) as they are consumed. */
export interface IncomingPayload {
  readonly bytes: number;
  /** Each chunk once, in order, at most 256 KiB each; throws ConnectionError if the connection or the sender ends it first. */
  chunks(): AsyncIterable<Uint8Array>;
  /** All of it in one array. */
  collect(): Promise<Uint8Array>;
  /** Lets the rest go by unread. */
  discard(): void;
}

export interface CloseReason {
  /** WebSocket close code. */
  readonly code: number;
  readonly reason: string;
}

export type MessageListener = (message: Message, payload: IncomingPayload | undefined) => void;

export interface ConnectionStats {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** The same by what they were for: an object for each, which stays the same. */
  readonly tally: Iterable<TallyEntry>;
  /** Of the last heartbeat. */
  readonly roundTripMs: number | undefined;
}

export interface SendOptions {
  readonly signal?: AbortSignal;
  /** A chunk was handed over; so many bytes of the payload have been by now. */
  readonly onProgress?: (sentBytes: number) => void;
}

/**
 * One live link to a peer. Messages arrive in the order sent; a message is delivered as soon as its header is there, its
 * payload streams after it, and later messages and heartbeats pass between its chunks.
 */
export interface Connection {
  /** For logs: an address or a name. */
  readonly remote: string;
  readonly stats: ConnectionStats;
  /**
   * Resolves when the last byte was handed over under flow control; rejects with ConnectionError if the link ends first.
   * A `signal` that fires before gives up the rest of the payload, at both ends; the link goes on.
   */
  send(message: Message, payload?: OutgoingPayload, options?: SendOptions): Promise<void>;
  /** Exactly one listener; messages that came earlier are delivered to it first. */
  listen(listener: MessageListener): void;
  close(code: number, reason: string): void;
  /** Resolves once, when the link is gone, from either side. */
  readonly closed: Promise<CloseReason>;
}

/** A connection that somebody has made to here, of whom more is known by and by. */
export interface AcceptedConnection extends Connection {
  /** From now on these payloads are accepted. */
  limit(limits: PayloadLimits): void;
  /** Its listener has heard enough: whoever listens next is given this message first. */
  pass(message: Message): void;
}
