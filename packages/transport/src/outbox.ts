/**
 * The sending half of a link: messages go out at once and in order; payloads follow in chunks, taking turns, as far as the
 * receiver's credit and the carrier's buffer allow. So what waits here is the caller's own arrays, never copies of them.
 */
import { ProtocolError, chunkBytes, encodeHeader, initialCreditBytes, maxStreams } from "@weft/protocol";
import type { LinkFrame, Message } from "@weft/protocol";
import type { Carrier } from "./carrier.ts";
import type { OutgoingPayload, SendOptions } from "./connection.ts";
import { ConnectionError } from "./errors.ts";
import { type Account, accountOf, linkAccount, type Tally } from "./tally.ts";

/** Chunks are handed to the carrier only while it holds less than this. */
const highWaterBytes = 1024 * 1024;

interface Outgoing {
  readonly message: Message;
  readonly payload: PartReader | undefined;
  readonly onProgress: ((sentBytes: number) => void) | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Messages to one receiver that let others have their turn; past that they are not to pile up. */
const mostPatient = 64;

/** The message that was told last: one to many is encoded once. */
let told: { readonly message: Message; readonly frame: Uint8Array } | undefined;

/** Streams given up of late, for which credit may still be on its way. */
const rememberedCancels = 256;

interface OutgoingStream extends Outgoing {
  readonly stream: number;
  readonly payload: PartReader;
  readonly account: Account;
  creditBytes: number;
}

/** Of the many connections on which nothing is under way. */
const none: never[] = [];

export class Outbox {
  /** Bytes handed to the carrier. */
  sentBytes = 0;
  readonly #carrier: Carrier;
  readonly #tally: Tally;
  #waiting: readonly Outgoing[] = none;
  /** The first is next to send a chunk. */
  #streams: readonly OutgoingStream[] = none;
  #lastStream = 0;
  /** Made when the first is given up. */
  #cancelled: Set<number> | undefined;
  #ended: ConnectionError | undefined;

  constructor(carrier: Carrier, tally: Tally) {
    this.#carrier = carrier;
    this.#tally = tally;
  }

  get waitingMessages(): number {
    return this.#waiting.length;
  }

  send(message: Message, payload?: OutgoingPayload, { signal, onProgress }: SendOptions = {}): Promise<void> {
    // Most messages have no payload, and nothing to wait for.
    if (payload === undefined && this.#waiting.length === 0 && this.#ended === undefined && !this.#mustWait) {
      this.#tell(accountOf(message), message);
      this.pump();
      return Promise.resolve();
    }
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    // The end of a link is told by `closed`; a send that nobody awaits must not end the process as an unhandled rejection.
    promise.catch(() => undefined);
    const outgoing: Outgoing = {
      message,
      payload: payload === undefined ? undefined : new PartReader(payload),
      onProgress,
      resolve: () => {
        resolve(undefined);
      },
      reject,
    };
    if (this.#ended === undefined) {
      this.#waiting = [...this.#waiting, outgoing];
      this.pump();
    } else reject(this.#ended);
    if (signal !== undefined) this.#heed(signal, outgoing, promise);
    return promise;
  }

  /** Gives up the rest of a payload when the signal fires. */
  #heed(signal: AbortSignal, outgoing: Outgoing, sent: Promise<unknown>): void {
    const giveUp = () => {
      this.#giveUp(outgoing);
    };
    const forget = () => {
      signal.removeEventListener("abort", giveUp);
    };
    sent.then(forget, forget);
    if (signal.aborted) giveUp();
    else signal.addEventListener("abort", giveUp);
  }

  #giveUp(outgoing: Outgoing): void {
    outgoing.reject(new ConnectionError("aborted", `sending ${outgoing.message.kind} was given up`));
    this.#waiting = this.#waiting.filter((waiting) => waiting !== outgoing);
    const begun = this.#streams.find(({ payload }) => payload === outgoing.payload);
    if (begun === undefined) return;
    this.#streams = this.#streams.filter((stream) => stream !== begun);
    const cancelled = (this.#cancelled ??= new Set());
    cancelled.add(begun.stream);
    for (const oldest of cancelled) {
      if (cancelled.size <= rememberedCancels) break;
      cancelled.delete(oldest);
    }
    this.sendNow({ frame: "cancel", stream: begun.stream });
    this.pump();
  }

  /** Sends a frame past everything that waits. */
  sendNow(frame: LinkFrame): void {
    this.#send(linkAccount, frame);
  }

  #send(account: Account, frame: LinkFrame, ...body: Uint8Array[]): void {
    this.#carry(account, [encodeHeader(frame), ...body]);
  }

  /** A message alone. */
  #tell(account: Account, message: Message): void {
    if (told?.message !== message) told = { message, frame: encodeHeader({ frame: "message", message }) };
    this.#carry(account, [told.frame]);
  }

  #carry(account: Account, parts: readonly Uint8Array[]): void {
    const bytes = parts.reduce((sum, { length }) => sum + length, 0);
    this.sentBytes += bytes;
    this.#tally.count(account, "sentBytes", bytes);
    this.#carrier.send(parts);
  }

  /** The receiver has room for more of a stream. */
  grant(stream: number, bytes: number): void {
    const outgoing = this.#streams.find((candidate) => candidate.stream === stream);
    if (this.#cancelled?.has(stream) === true) return;
    if (outgoing === undefined) throw new ProtocolError("sequence", `credit for stream ${stream}, which is not open`);
    outgoing.creditBytes += bytes;
    if (bytes < chunkBytes && outgoing.creditBytes < outgoing.payload.left) {
      throw new ProtocolError("sequence", `credit for ${bytes} bytes, at least a chunk of ${chunkBytes} expected`);
    }
    if (outgoing.creditBytes > Math.max(outgoing.payload.left, initialCreditBytes)) {
      throw new ProtocolError(
        "sequence",
        `credit for ${outgoing.creditBytes} bytes, ${outgoing.payload.left} are left`,
      );
    }
    this.pump();
  }

  /** Sends what may be sent now; called whenever something changed. */
  pump(): void {
    if (this.#ended !== undefined) return;
    this.#pumpMessages();
    while (this.#carrier.bufferedBytes < highWaterBytes) {
      const stream = this.#streams.find(mayProceed);
      if (stream === undefined || this.#carrier.isHeld === true) return;
      const others = this.#streams.filter((other) => other !== stream);
      const size = nextChunk(stream);
      const offset = stream.payload.offset;
      const frame = { frame: "chunk", stream: stream.stream, offset } as const;
      const parts = stream.payload.take(size);
      stream.creditBytes -= size;
      // Noted before it goes: a carrier that delivers at once calls back from within.
      this.#streams = stream.payload.left > 0 ? [...others, stream] : others;
      this.#send(stream.account, frame, ...parts);
      stream.onProgress?.(stream.payload.offset);
      if (stream.payload.left === 0) {
        stream.resolve();
        this.#pumpMessages();
      }
    }
  }

  /** Sends messages that let others go first: there will be no later turn. */
  flush(): void {
    this.#pumpMessages(false);
  }

  end(error: ConnectionError): void {
    this.#ended = error;
    for (const { reject } of [...this.#streams, ...this.#waiting]) reject(error);
    this.#streams = none;
    this.#waiting = none;
  }

  /** Whether others have their turn before the next message. */
  get #mustWait(): boolean {
    return this.#waiting.length <= mostPatient && this.#carrier.messagesWait === true;
  }

  #pumpMessages(isPatient = true): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { message, payload } = next;
      if (payload !== undefined && payload.left > 0 && this.#streams.length >= maxStreams) return;
      if (isPatient && this.#mustWait) return;
      this.#waiting = this.#waiting.slice(1);
      const account = accountOf(message);
      if (payload === undefined) {
        this.#tell(account, message);
        next.resolve();
        continue;
      }
      const stream = ++this.#lastStream;
      this.#send(account, { frame: "message", message, payload: { stream, bytes: payload.left } });
      if (payload.left === 0) next.resolve();
      else this.#streams = [...this.#streams, { ...next, payload, account, stream, creditBytes: initialCreditBytes }];
    }
  }
}

function nextChunk({ payload }: OutgoingStream): number {
  return Math.min(chunkBytes, payload.left);
}

function mayProceed(stream: OutgoingStream): boolean {
  return stream.creditBytes >= nextChunk(stream);
}

/** Reads a payload of several parts from front to back as views, whatever the borders of its parts. */
class PartReader {
  offset = 0;
  left: number;
  readonly #parts: readonly Uint8Array[];
  #part = 0;
  #within = 0;

  constructor(payload: OutgoingPayload) {
    this.#parts = payload instanceof Uint8Array ? [payload] : payload;
    this.left = this.#parts.reduce((bytes, part) => bytes + part.length, 0);
  }

  take(bytes: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    this.offset += bytes;
    this.left -= bytes;
    for (let missing = bytes; missing > 0;) {
      const part = this.#parts[this.#part];
      if (part === undefined) throw new Error("a payload ended before its length");
      const view = part.subarray(this.#within, this.#within + missing);
      if (view.length > 0) taken.push(view);
      missing -= view.length;
      this.#within += view.length;
      if (this.#within === part.length) {
        this.#part += 1;
        this.#within = 0;
      }
    }
    return taken;
  }
}
