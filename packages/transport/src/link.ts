/**
 * A connection over any carrier. Everything that arrives is untrusted: whatever breaks the protocol closes the link with a
 * WebSocket code and a reason, and is reported once to `onFault`; nothing is thrown back into the carrier.
 */
import { ProtocolError, checkPayload, decodeFrame, decodeFrameParts, defaultLimits } from "@weft/protocol";
import {
  parseLinkFrame,
  parseMessage,
  maxStreams,
  type LinkFrame,
  type Message,
  type PayloadLimits,
  type Sender,
} from "@weft/protocol";
import { closeText, type Carrier, type CarrierSink } from "./carrier.ts";
import { systemClock, type Clock } from "./clock.ts";
import type { AcceptedConnection, CloseReason, ConnectionStats, IncomingPayload, SendOptions } from "./connection.ts";
import type { MessageListener, OutgoingPayload } from "./connection.ts";
import { ConnectionError } from "./errors.ts";
import { Heartbeat, type Watched } from "./heartbeat.ts";
import { Incoming } from "./incoming.ts";
import { Outbox } from "./outbox.ts";
import { type Account, accountOf, linkAccount, Tally } from "./tally.ts";
import { RateLimit } from "./rateLimit.ts";

/** Why a link was closed by this side. */
export interface LinkFault extends CloseReason {
  readonly remote: string;
  readonly cause: unknown;
}

export interface LinkOptions {
  /** Whose messages are accepted: a coordinator's side accepts "worker", and the other way round. */
  readonly accepts: Sender;
  /** Of the payloads that are accepted until `limit` is called. */
  readonly limits?: PayloadLimits;
  readonly clock?: Clock;
  readonly heartbeatMs?: number;
  /** Heartbeats without a sign of life after which the link is dead. */
  readonly missedHeartbeats?: number;
  /** Messages and pings a second, with bursts of as many; unlimited when absent. */
  readonly maxMessagesPerSecond?: number;
  /** Told when the link is gone. */
  readonly onClosed?: (link: Link) => void;
  /** Told once if the link is closed because of what the peer sent or a listener threw. */
  readonly onFault?: (fault: LinkFault) => void;
}

const defaultHeartbeatMs = 5000;
/** A peer that lets so many messages without payload pile up is not reading. */
const maxBufferedBytes = 16 * 1024 * 1024;
const maxWaitingMessages = 1024;

export class Link implements AcceptedConnection, CarrierSink, Watched {
  readonly remote: string;
  readonly closed: Promise<CloseReason>;
  readonly #carrier: Carrier;
  readonly #options: LinkOptions;
  readonly #clock: Clock;
  readonly #outbox: Outbox;
  readonly #heartbeat: Heartbeat;
  readonly #rate: RateLimit | undefined;
  /** Payloads under way, where there are any. */
  #streams: Map<number, Incoming> | undefined;
  readonly #resolveClosed: (reason: CloseReason) => void;
  #limits: PayloadLimits;
  #lastStream = 0;
  #receivedBytes = 0;
  readonly #tally = new Tally();
  #listener: MessageListener | undefined;
  /** Arrived before there was a listener. */
  #early: [Message, IncomingPayload | undefined][] | undefined;
  /** Set once the link carries nothing any more. */
  #end: CloseReason | undefined;

  constructor(carrier: Carrier, options: LinkOptions) {
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.remote = carrier.remote;
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#carrier = carrier;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#outbox = new Outbox(carrier, this.#tally);
    this.#limits = options.limits ?? defaultLimits;
    this.#rate = options.maxMessagesPerSecond === undefined ? undefined : new RateLimit(options.maxMessagesPerSecond);
    const { heartbeatMs: everyMs = defaultHeartbeatMs, missedHeartbeats: missedLimit = 3 } = options;
    this.#heartbeat = new Heartbeat(this, { clock: this.#clock, everyMs, missedLimit });
  }

  get stats(): ConnectionStats {
    const { sentBytes } = this.#outbox;
    const { roundTripMs } = this.#heartbeat;
    return { sentBytes, receivedBytes: this.#receivedBytes, roundTripMs, tally: this.#tally.entries() };
  }

  /** @throws {ProtocolError} (as a rejection) for a message that the other side would refuse */
  send(message: Message, payload?: OutgoingPayload, options?: SendOptions): Promise<void> {
    try {
      checkOutgoing(message, payload, this.#options);
    } catch (error) {
      if (error instanceof ProtocolError) return Promise.reject(error);
      throw error;
    }
    const sent = this.#outbox.send(message, payload, options);
    this.#checkReader();
    return sent;
  }

  listen(listener: MessageListener): void {
    if (this.#listener !== undefined) throw new Error(`${this.remote}: a connection has exactly one listener`);
    this.#listener = listener;
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const [message, payload] of early) this.#deliver(message, payload);
  }

  pass(message: Message): void {
    this.#listener = undefined;
    this.#early = [[message, undefined]];
  }

  limit(limits: PayloadLimits): void {
    this.#limits = limits;
  }

  close(code: number, reason: string): void {
    if (this.#end !== undefined) return;
    this.#outbox.flush();
    this.#finish({ code, reason });
    this.#carrier.close(code, closeText(reason));
  }

  receive(frame: Uint8Array, rest?: Uint8Array): void {
    if (this.#end !== undefined) return;
    const bytes = frame.length + (rest?.length ?? 0);
    this.#receivedBytes += bytes;
    this.#heartbeat.alive();
    let account = linkAccount;
    try {
      const { header, body } = rest === undefined ? decodeFrame(frame) : decodeFrameParts(frame, rest);
      account = this.#handle(parseLinkFrame(header, body.length), body);
    } catch (error) {
      if (error instanceof ProtocolError) this.#fail(closeCode(error), error.message, error);
      else this.#fail(1011, "internal error", error);
    }
    this.#tally.count(account, "receivedBytes", bytes);
  }

  /** Pings of the carrier's own count as ours do, and their answers have to be read. */
  pinged(): void {
    if (this.#end !== undefined) return;
    this.#heartbeat.alive();
    if (this.#rate?.admit(this.#clock.now()) === false) this.#fail(1008, this.#tooMany, undefined);
    else this.#checkReader();
  }

  #checkReader(): void {
    if (this.#carrier.bufferedBytes > maxBufferedBytes || this.#outbox.waitingMessages > maxWaitingMessages) {
      this.#fail(1008, "the peer does not read its messages", undefined);
    }
  }

  fault(code: number, reason: string, cause?: unknown): void {
    this.#fail(code, reason, cause);
  }

  drained(): void {
    this.#heartbeat.progress();
    this.#outbox.pump();
  }

  mayGoOn(): void {
    this.#outbox.pump();
  }

  get hasBacklog(): boolean {
    return this.#carrier.bufferedBytes > 0;
  }

  ping(id: number): void {
    this.#outbox.sendNow({ frame: "ping", id });
  }

  dead(reason: string): void {
    this.#fail(1008, reason, undefined);
    this.#carrier.terminate();
  }

  ended(code: number, reason: string): void {
    if (this.#end === undefined) this.#finish({ code, reason });
    this.#resolveClosed(this.#end ?? { code, reason });
    this.#options.onClosed?.(this);
  }

  /** Returns what the frame is counted as. */
  #handle(frame: LinkFrame, body: Uint8Array): Account {
    switch (frame.frame) {
      case "message":
        this.#admit();
        return this.#receiveMessage(frame.message, frame.payload);
      case "chunk":
        return this.#receiveChunk(frame.stream, frame.offset, body);
      case "credit":
        this.#outbox.grant(frame.stream, frame.bytes);
        return linkAccount;
      case "cancel":
        this.#cancelled(frame.stream);
        return linkAccount;
      case "ping":
        this.#admit();
        this.#outbox.sendNow({ frame: "pong", id: frame.id });
        return linkAccount;
      case "pong":
        this.#heartbeat.pong(frame.id);
        return linkAccount;
      default:
        return frame satisfies never;
    }
  }

  get #tooMany(): string {
    return `more than ${this.#options.maxMessagesPerSecond ?? 0} messages a second`;
  }

  #admit(): void {
    if (this.#rate?.admit(this.#clock.now()) === false) {
      throw new ProtocolError("sequence", this.#tooMany);
    }
  }

  #receiveMessage(header: unknown, announced: { stream: number; bytes: number } | undefined): Account {
    const message = parseMessage(header, this.#options.accepts);
    checkPayload(message.kind, announced?.bytes, this.#limits);
    const account = accountOf(message);
    const payload = announced && this.#open(announced, account);
    if (this.#listener !== undefined) this.#deliver(message, payload);
    else if ((this.#early ??= []).push([message, payload]) > maxWaitingMessages) {
      throw new ProtocolError("sequence", `more than ${maxWaitingMessages} messages before anyone could read them`);
    }
    return account;
  }

  #open({ stream, bytes }: { readonly stream: number; readonly bytes: number }, account: Account): Incoming {
    if (stream <= this.#lastStream) {
      throw new ProtocolError(
        "sequence",
        `stream ${stream} was used already; a number above ${this.#lastStream} expected`,
      );
    }
    if (bytes > 0 && (this.#streams?.size ?? 0) >= maxStreams) {
      throw new ProtocolError("sequence", `more than ${maxStreams} payloads at once`);
    }
    this.#lastStream = stream;
    const incoming = new Incoming({ bytes, account }, (granted) => {
      if (this.#end === undefined) this.#outbox.sendNow({ frame: "credit", stream, bytes: granted });
    });
    if (bytes > 0) (this.#streams ??= new Map<number, Incoming>()).set(stream, incoming);
    return incoming;
  }

  #receiveChunk(stream: number, offset: number, body: Uint8Array): Account {
    const incoming = this.#streams?.get(stream);
    if (incoming === undefined) throw new ProtocolError("sequence", `chunk of stream ${stream}, which is not open`);
    incoming.accept(body, offset);
    if (incoming.complete) this.#forget(stream);
    return incoming.account;
  }

  #forget(stream: number): void {
    this.#streams?.delete(stream);
    if (this.#streams?.size === 0) this.#streams = undefined;
  }

  #cancelled(stream: number): void {
    const incoming = this.#streams?.get(stream);
    if (incoming === undefined) throw new ProtocolError("sequence", `end of stream ${stream}, which is not open`);
    this.#forget(stream);
    incoming.end(new ConnectionError("cancelled", `${this.remote}: the sender gave up the payload`));
  }

  #deliver(message: Message, payload: IncomingPayload | undefined): void {
    try {
      this.#listener?.(message, payload);
    } catch (error) {
      this.#fail(1011, "internal error", error);
    }
  }

  #fail(code: number, reason: string, cause: unknown): void {
    if (this.#end !== undefined) return;
    this.close(code, reason);
    this.#options.onFault?.({ code, reason, remote: this.remote, cause });
  }

  #finish(end: CloseReason): void {
    this.#end = end;
    this.#heartbeat.stop();
    const error = new ConnectionError(
      "closed",
      `${this.remote}: the connection was closed (${end.code} ${end.reason})`,
    );
    this.#outbox.end(error);
    for (const incoming of this.#streams?.values() ?? []) incoming.end(error);
    this.#streams = undefined;
  }
}

/** Found in order last: what is told to many is looked at once. */
let inOrder: { readonly message: Message; readonly accepts: Sender } | undefined;

function checkOutgoing(message: Message, payload: OutgoingPayload | undefined, { accepts }: LinkOptions): void {
  if (inOrder?.message !== message || inOrder.accepts !== accepts) {
    parseMessage(message, accepts === "worker" ? "coordinator" : "worker");
    inOrder = { message, accepts };
  }
  const parts = payload instanceof Uint8Array ? [payload] : payload;
  const bytes = parts?.reduce((sum, part) => sum + part.length, 0);
  checkPayload(message.kind, bytes, defaultLimits);
}

/** 1009 for size, 1003 for another version, 1002 for what is no frame at all, 1008 for everything that breaks a rule. */
function closeCode(error: ProtocolError): number {
  if (error.code === "size") return 1009;
  if (error.code === "version") return 1003;
  return error.code === "frame" ? 1002 : 1008;
}
