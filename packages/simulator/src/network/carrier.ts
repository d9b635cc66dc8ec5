/** One end of a simulated socket: what it is given travels along a line to the other end. It behaves as `ws` sockets do. */
import type { Carrier, CarrierSink } from "@weft/transport";
import type { ProcessClock } from "../processClock.ts";
import type { Line } from "./line.ts";

/** An end that does not finish closing within this time is torn down, as over real sockets. */
const closeTimeoutMs = 2000;
/** What a frame costs beside its payload: WebSocket, TCP and IP headers. */
const overheadBytes = 60;

export class SimulatedCarrier implements Carrier {
  readonly remote: string;
  bufferedBytes = 0;
  /** Set by the network, which makes both ends. */
  peer: SimulatedCarrier | undefined;
  sink: CarrierSink | undefined;
  readonly #line: Line;
  readonly #process: ProcessClock;
  #closing = false;
  #ended = false;
  #closeTimer: unknown;

  /** @param process whose end this is: a dead one hears nothing, a frozen one later */
  constructor(remote: string, line: Line, process: ProcessClock) {
    this.remote = remote;
    this.#line = line;
    this.#process = process;
  }

  get isOpen(): boolean {
    return !this.#closing && !this.#ended;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  send(parts: readonly Uint8Array[]): void {
    const frame = join(parts);
    this.sendRaw(frame);
  }

  /** Any bytes as one binary message. */
  sendRaw(frame: Uint8Array): void {
    if (!this.isOpen || this.#process.isDead) return;
    this.bufferedBytes += frame.length;
    this.#line.post({
      bytes: frame.length + overheadBytes,
      left: () => {
        this.bufferedBytes -= frame.length;
        this.#process.run(() => {
          if (this.isOpen) this.sink?.drained();
        });
      },
      deliver: () => {
        this.peer?.take(frame);
      },
    });
  }

  close(code: number, reason: string): void {
    if (this.#process.isDead) {
      this.finish(1006, "the process has ended");
      return;
    }
    if (!this.isOpen) return;
    this.#closing = true;
    this.#farewell(code, reason);
    this.#closeTimer = this.#process.setTimer(() => {
      this.terminate();
    }, closeTimeoutMs);
  }

  terminate(): void {
    if (this.#ended) return;
    this.finish(1006, "terminated");
    this.#line.post({
      bytes: overheadBytes,
      deliver: () => {
        this.peer?.reset();
      },
    });
  }

  /** The other end is gone without a farewell. */
  reset(): void {
    this.#process.run(() => {
      this.finish(1006, "connection reset");
    });
  }

  /** Ends this end alone; the other one is not told. */
  finish(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#process.clearTimer(this.#closeTimer);
    this.sink?.ended(code, reason);
  }

  take(frame: Uint8Array): void {
    this.#process.run(() => {
      if (this.isOpen) this.sink?.receive(frame);
    });
  }

  /** The other end's close frame has come: it is answered, and this end is done. */
  takeFarewell(code: number, reason: string): void {
    this.#process.run(() => {
      if (this.#ended) return;
      if (!this.#closing) this.#farewell(code, reason);
      this.#closing = true;
      this.finish(code, reason);
    });
  }

  #farewell(code: number, reason: string): void {
    this.#line.post({
      bytes: overheadBytes,
      deliver: () => {
        this.peer?.takeFarewell(code, reason);
      },
    });
  }
}

/** A copy, as on a wire: what the sender does with its array afterwards is its own business. */
function join(parts: readonly Uint8Array[]): Uint8Array {
  const frame = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    frame.set(part, offset);
    offset += part.length;
  }
  return frame;
}
