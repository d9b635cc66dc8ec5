/** A socket of the `ws` package as a carrier. */
import type { RawData, WebSocket } from "ws";
import { closeTimeoutMs, joinParts, textFault, type Carrier, type CarrierSink } from "./carrier.ts";
import type { Clock } from "./clock.ts";

/** Frames have at most 64 KiB of header and 256 KiB of chunk; beyond this the socket itself refuses (1009). */
export const maxFrameBytes = 1024 * 1024;

/** Options of every socket: no compression (45 times slower on gradients), small frames, few fragments. */
export const socketOptions = { perMessageDeflate: false, maxPayload: maxFrameBytes, maxFragments: 64 } as const;

/** More parts than this are joined before they are sent: a copy is cheaper than many small writes. */
const maxParts = 4;

export interface WebSocketCarrierOptions {
  readonly remote: string;
  readonly clock: Clock;
}

export class WebSocketCarrier implements Carrier {
  readonly remote: string;
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  #sink: CarrierSink | undefined;
  #closeTimer: unknown;

  constructor(socket: WebSocket, options: WebSocketCarrierOptions) {
    this.remote = options.remote;
    this.#socket = socket;
    this.#clock = options.clock;
  }

  /** Starts to report; to be called before the socket's next event. */
  attach(sink: CarrierSink): void {
    this.#sink = sink;
    // Neither do parts become one by being copied where they arrive.
    this.#socket.binaryType = "fragments";
    this.#socket.on("message", (data: RawData, isBinary: boolean) => {
      if (isBinary) deliver(data, sink);
      else sink.fault(...textFault);
    });
    this.#socket.on("error", (error: NodeJS.ErrnoException) => {
      // Network failures are reported by the close that follows; what the peer did wrong has a code of the library's own.
      if (error.code?.startsWith("WS_ERR_") === true) sink.fault(faultCode(error.code), error.message, error);
    });
    this.#socket.on("close", (code: number, reason: Buffer) => {
      this.#clock.clearTimer(this.#closeTimer);
      sink.ended(code, reason.toString());
    });
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    // As fragments of one message, so that a broadcast is never copied.
    const pieces = parts.length > maxParts ? [Buffer.concat(parts)] : parts;
    for (const [index, piece] of pieces.entries()) {
      const fin = index === pieces.length - 1;
      this.#socket.send(piece, { binary: true, fin }, fin ? this.#sent : undefined);
    }
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
    this.#closeTimer ??= this.#clock.setTimer(() => {
      this.#socket.terminate();
    }, closeTimeoutMs);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  /** A failed write is followed by the socket's close. */
  readonly #sent = (error?: Error | null): void => {
    if (error === undefined || error === null) this.#sink?.drained();
  };
}

function deliver(data: RawData, sink: CarrierSink): void {
  const parts = Array.isArray(data) ? data : [data];
  const [first, second] = parts;
  if (first === undefined) sink.receive(new Uint8Array(0));
  else if (second === undefined) sink.receive(plainBytes(first));
  else if (parts.length === 2) sink.receive(plainBytes(first), plainBytes(second));
  else sink.receive(joinParts(parts.map(plainBytes)));
}

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
