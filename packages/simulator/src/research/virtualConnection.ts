/** A worker's connection without anything that carries it: messages are handed over as they are, and their bytes counted. */
import { headerBytes, type Message } from "@weft/protocol";
import {
  accountOf,
  ConnectionError,
  Tally,
  type CloseReason,
  type Connection,
  type IncomingPayload,
} from "@weft/transport";
import type { ConnectionStats, MessageListener, OutgoingPayload } from "@weft/transport";

const chunkBytes = 256 * 1024;
/** Of a frame that carries a chunk: length, header, padding. */
const chunkHeaderBytes = 40;

export class VirtualConnection implements Connection {
  readonly remote: string;
  readonly closed: Promise<CloseReason>;
  #sentBytes = 0;
  #receivedBytes = 0;
  /** Made when there is something to count: most connections carry nothing for long. */
  #tally: Tally | undefined;
  #listener: MessageListener | undefined;
  #end: CloseReason | undefined;
  readonly #resolveClosed: (reason: CloseReason) => void;
  readonly #deliver: (message: Message, payload: readonly Uint8Array[], bytes: number) => void;

  /** @param deliver takes what the coordinator sends, and how many bytes it is on the wire */
  constructor(remote: string, deliver: (message: Message, payload: readonly Uint8Array[], bytes: number) => void) {
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.remote = remote;
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#deliver = deliver;
  }

  get stats(): ConnectionStats {
    return {
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      roundTripMs: undefined,
      tally: this.#tally?.entries() ?? [],
    };
  }

  send(message: Message, payload?: OutgoingPayload): Promise<void> {
    if (this.#end !== undefined) {
      const gone = Promise.reject(new ConnectionError("closed", `${this.remote}: the connection was closed`));
      gone.catch(() => undefined);
      return gone;
    }
    const parts = payload instanceof Uint8Array ? [payload] : (payload ?? []);
    const bytes = wireBytes(message, parts);
    this.#sentBytes += bytes;
    (this.#tally ??= new Tally()).count(accountOf(message), "sentBytes", bytes);
    this.#deliver(message, parts, bytes);
    return Promise.resolve();
  }

  listen(listener: MessageListener): void {
    this.#listener = listener;
  }

  /** A message of the worker's arrives at the coordinator. */
  receive(message: Message, payload?: readonly Uint8Array[]): void {
    if (this.#end !== undefined) return;
    const bytes = wireBytes(message, payload ?? []);
    this.#receivedBytes += bytes;
    (this.#tally ??= new Tally()).count(accountOf(message), "receivedBytes", bytes);
    this.#listener?.(message, payload && new WholePayload(payload));
  }

  close(code: number, reason: string): void {
    if (this.#end !== undefined) return;
    this.#end = { code, reason };
    this.#resolveClosed(this.#end);
  }
}

/** Bytes of a message and its payload as frames. */
export function wireBytes(message: Message, payload: readonly Uint8Array[]): number {
  const bytes = payload.reduce((sum, part) => sum + part.length, 0);
  return messageBytes(message) + bytes + Math.ceil(bytes / chunkBytes) * chunkHeaderBytes;
}

/** News that everyone gets is as long for one as for the other. */
let news: { readonly version: number; readonly bytes: number } | undefined;

function messageBytes(message: Message): number {
  if (message.kind !== "committed") return headerBytes({ frame: "message", message });
  if (news?.version !== message.version) {
    news = { version: message.version, bytes: headerBytes({ frame: "message", message }) };
  }
  return news.bytes;
}

/** A payload that is all there; its chunks are views. */
class WholePayload implements IncomingPayload {
  readonly bytes: number;
  readonly #parts: readonly Uint8Array[];

  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts;
    this.bytes = parts.reduce((sum, part) => sum + part.length, 0);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- nothing has to be waited for
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    for (const part of this.#parts) {
      for (let start = 0; start < part.length; start += chunkBytes) yield part.subarray(start, start + chunkBytes);
    }
  }

  collect(): Promise<Uint8Array> {
    const all = new Uint8Array(this.bytes);
    let offset = 0;
    for (const part of this.#parts) {
      all.set(part, offset);
      offset += part.length;
    }
    return Promise.resolve(all);
  }

  discard(): void {
    // Nobody waits for credit.
  }
}
