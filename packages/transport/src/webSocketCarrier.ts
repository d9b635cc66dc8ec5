/** A socket of the `ws` package as a carrier, which shares its thread's event loop with the others. */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { RawData, WebSocket } from "ws";
import { closeTimeoutMs, joinParts, textFault, type Carrier, type CarrierSink } from "./carrier.ts";
import type { Clock } from "./clock.ts";
import { ReceivedMemory } from "./receivedMemory.ts";
import { type GoOn, socketTurns, type SocketTurns } from "./socketTurns.ts";

/** Frames have at most 64 KiB of header and 256 KiB of chunk; beyond this the socket itself refuses (1009). */
export const maxFrameBytes = 1024 * 1024;

/** Options of every socket: no compression (45 times slower on gradients), small frames, few fragments. */
export const socketOptions = { perMessageDeflate: false, maxPayload: maxFrameBytes, maxFragments: 64 } as const;

/** More parts than this are joined before they are sent: a copy is cheaper than many small writes. */
const maxParts = 4;

/** Whoever reads less than this in a turn has nothing more waiting. */
const bulkBytes = 16 * 1024;

export interface WebSocketCarrierOptions {
  readonly remote: string;
  readonly clock: Clock;
  /** Whom it shares the event loop with; all of its thread by default. */
  readonly turns?: SocketTurns | undefined;
}

export class WebSocketCarrier implements Carrier {
  readonly remote: string;
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  readonly #turns: SocketTurns;
  readonly #memory = new ReceivedMemory();
  #sink: CarrierSink | undefined;
  #closeTimer: unknown;
  #isClosing = false;
  #hasEnded = false;
  /** Bytes read in the turn of that number. */
  #readBytes = 0;
  #readTurn = 0;
  /** Whether a message has ended with what was read last. */
  #messageEnded = false;
  #sendIsHeld = false;
  /** Whether messages wait for a later turn to go out. */
  #messagesAreHeld = false;
  /** What has come, frame by frame, when the turn was over; undefined for nothing. */
  #late: (readonly Uint8Array[])[] | undefined;
  /** What its turns call; made when it has to wait for the first time. */
  #readOn: GoOn | undefined;
  #sendOn: GoOn | undefined;
  #tellOn: GoOn | undefined;
  #hearOn: GoOn | undefined;
  readonly #sent = this.#hasSent.bind(this);
  /** Bytes that wait for the kernel, as the turns know of them. */
  #queuedBytes = 0;
  /** At least one chunk goes out then. */
  #isItsTurn = false;
  /** Whether what is short of a packet waits for what follows. */
  #fillsPackets = false;

  constructor(socket: WebSocket, { remote, clock, turns = socketTurns }: WebSocketCarrierOptions) {
    this.remote = remote;
    this.#socket = socket;
    this.#clock = clock;
    this.#turns = turns;
  }

  /** Starts to report; to be called before the socket's next event. */
  attach(sink: CarrierSink): void {
    this.#sink = sink;
    // Neither do parts become one by being copied where they arrive.
    this.#socket.binaryType = "fragments";
    // Bound methods are the least that can be kept for each of many sockets.
    this.#socket.on("message", this.#onMessage.bind(this));
    this.#socket.on("ping", this.#onPing.bind(this));
    this.#socket.on("error", this.#onError.bind(this));
    this.#socket.on("close", this.#onClose.bind(this));
    // After the listener of `ws` itself, which has been there since the handshake.
    streamUnder(this.#socket)?.on("data", this.#onData.bind(this));
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    this.#messageEnded = true;
    if (isBinary) this.#deliver(data);
    else this.#sink?.fault(...textFault);
  }

  /** The answer to a ping of the protocol's own is a view of what was read. */
  #onPing(): void {
    this.#memory.leave();
    this.#sink?.pinged();
  }

  #onData(chunk: Uint8Array): void {
    this.#memory.passed(chunk);
    this.#hasRead(chunk.length);
  }

  #onError(error: NodeJS.ErrnoException): void {
    this.#memory.end();
    // Network failures are reported by the close that follows; what the peer did wrong has a code of the library's own.
    if (error.code?.startsWith("WS_ERR_") === true) this.#sink?.fault(faultCode(error.code), error.message, error);
  }

  #onClose(code: number, reason: Buffer): void {
    this.#clock.clearTimer(this.#closeTimer);
    this.#hasEnded = true;
    this.#noteQueue(0);
    for (const goOn of [this.#readOn, this.#sendOn, this.#tellOn, this.#hearOn]) this.#turns.forget(goOn);
    for (const frame of this.#late?.splice(0) ?? []) this.#pass(frame);
    this.#sink?.ended(code, reason.toString());
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  get isHeld(): boolean {
    // Where something of its own waits, it goes on when that has left.
    if (this.#sendIsHeld || (this.#queuedBytes > 0 && this.#turns.isQueueFull)) return true;
    const mayGoOn = this.#isItsTurn || !this.#turns.isOver;
    this.#isItsTurn = false;
    if (mayGoOn) return false;
    this.#sendIsHeld = true;
    this.#turns.hold((this.#sendOn ??= this.#goOnSending.bind(this)));
    return true;
  }

  get messagesWait(): boolean {
    if (this.#messagesAreHeld) return true;
    const mayGoOn = this.#isItsTurn || !this.#turns.isOver;
    this.#isItsTurn = false;
    if (mayGoOn) return false;
    this.#messagesAreHeld = true;
    this.#turns.holdMessage((this.#tellOn ??= this.#goOnTelling.bind(this)));
    return true;
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#turns.spend(parts.reduce((bytes, { length }) => bytes + length, 0));
    // As fragments of one message, so that a broadcast is never copied.
    const pieces = parts.length > maxParts ? [Buffer.concat(parts)] : parts;
    for (const [index, piece] of pieces.entries()) {
      const fin = index === pieces.length - 1;
      this.#socket.send(piece, { binary: true, fin }, fin ? this.#sent : undefined);
    }
    this.#noteQueue(this.#socket.bufferedAmount);
    this.#fillPackets(this.#queuedBytes > 0);
  }

  /**
   * While more is to be sent than the kernel takes, only whole packets go out: the loss of a short one costs a connection as much
   * as that of a long one (a fifth of its throughput at 1 % loss). Nothing waits for a packet to be filled once all is sent.
   */
  #fillPackets(fills: boolean): void {
    if (fills === this.#fillsPackets) return;
    this.#fillsPackets = fills;
    streamUnder(this.#socket)?.setNoDelay?.(!fills);
  }

  #noteQueue(bytes: number): void {
    this.#turns.queue(bytes - this.#queuedBytes);
    this.#queuedBytes = bytes;
  }

  close(code: number, reason: string): void {
    // The farewell of the other side is read without waiting for anyone.
    this.#isClosing = true;
    this.#turns.forget(this.#readOn);
    this.#socket.resume();
    this.#socket.close(code, reason);
    this.#closeTimer ??= this.#clock.setTimer(() => {
      this.#socket.terminate();
    }, closeTimeoutMs);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  /** So much has come: once that is enough, it waits for its next turn, where it can with nothing begun. */
  #hasRead(bytes: number): void {
    const turns = this.#turns;
    turns.spend(bytes);
    if (this.#readTurn !== turns.turn) this.#readBytes = 0;
    this.#readTurn = turns.turn;
    this.#readBytes += bytes;
    const hasShare = this.#readBytes >= turns.shareBytes && this.#messageEnded;
    this.#messageEnded = false;
    if (this.#isClosing || this.#hasEnded) return;
    const hasEnough = this.#readBytes >= bulkBytes && (hasShare || turns.isOver || turns.bar !== undefined);
    if (!hasEnough && this.#late === undefined) return;
    this.#socket.pause();
    this.#holdReading(!hasShare);
  }

  #holdReading(wasCutShort: boolean): void {
    this.#turns.hold((this.#readOn ??= this.#goOnReading.bind(this)), wasCutShort);
  }

  #goOnReading(): void {
    const { bar } = this.#turns;
    if (this.#isClosing || (bar ?? this.#late) === undefined) this.#socket.resume();
    else if (bar === undefined) this.#holdReading(true);
    else void this.#holdReadingUntil(bar);
  }

  async #holdReadingUntil(bar: Promise<unknown>): Promise<void> {
    await bar;
    if (!this.#hasEnded) this.#holdReading(false);
  }

  #goOnSending(): void {
    this.#sendIsHeld = false;
    this.#goOn();
  }

  #goOnTelling(): void {
    this.#messagesAreHeld = false;
    this.#goOn();
  }

  #goOn(): void {
    this.#isItsTurn = true;
    this.#sink?.mayGoOn();
    this.#isItsTurn = false;
  }

  /** Now, or in a later turn where this one is over. */
  #deliver(data: RawData): void {
    const parts = (Array.isArray(data) ? data : [data]).map((part) => this.#memory.keep(plainBytes(part)));
    const frame = parts.length > 2 ? [joinParts(parts)] : parts;
    if (this.#late !== undefined) this.#late.push(frame);
    else if (this.#isClosing || !this.#turns.isOver) this.#pass(frame);
    else {
      this.#late = [frame];
      this.#turns.holdMessage((this.#hearOn ??= this.#goOnHearing.bind(this)));
    }
  }

  #goOnHearing(): void {
    const frame = this.#late?.shift();
    if (frame !== undefined) this.#pass(frame);
    if (this.#late === undefined || this.#late.length === 0) this.#late = undefined;
    else this.#turns.holdMessage((this.#hearOn ??= this.#goOnHearing.bind(this)));
  }

  #pass([first = new Uint8Array(0), rest]: readonly Uint8Array[]): void {
    this.#sink?.receive(first, rest);
  }

  /** A failed write is followed by the socket's close. */
  #hasSent(error?: Error | null): void {
    if (!this.#hasEnded) {
      this.#noteQueue(this.#socket.bufferedAmount);
      if (this.#queuedBytes === 0) this.#fillPackets(false);
    }
    if (error === undefined || error === null) this.#sink?.drained();
  }
}

/** `ws` keeps what it reads from to itself, and has no other word for what it has read. */
const streamUnder = (socket: WebSocket): (Duplex & Partial<Pick<Socket, "setNoDelay">>) | undefined =>
  (socket as { readonly _socket?: Duplex })._socket;

/** Without Buffer's own methods, whose `slice` does not copy. */
function plainBytes(data: Buffer | ArrayBuffer): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function faultCode(code: string): number {
  if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") return 1009;
  if (code === "WS_ERR_TOO_MANY_BUFFERED_PARTS") return 1008;
  return code === "WS_ERR_INVALID_UTF8" ? 1007 : 1002;
}
