/** A browser's own WebSocket as a carrier. It does not say when bytes have left, so that is polled while any wait. */
import { closeTimeoutMs, joinParts, textFault, type Carrier, type CarrierSink } from "./carrier.ts";
import type { Clock } from "./clock.ts";

const pollMs = 10;

export class BrowserCarrier implements Carrier {
  readonly remote: string;
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  #sink: CarrierSink | undefined;
  #poll: unknown;
  #closeTimer: unknown;
  #ended = false;

  constructor(socket: WebSocket, { remote, clock }: { readonly remote: string; readonly clock: Clock }) {
    this.remote = remote;
    this.#socket = socket;
    this.#clock = clock;
  }

  attach(sink: CarrierSink): void {
    this.#sink = sink;
    this.#socket.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (data instanceof ArrayBuffer) sink.receive(new Uint8Array(data));
      else sink.fault(...textFault);
    });
    this.#socket.addEventListener("close", ({ code, reason }) => {
      this.#finish(code, reason);
    });
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    // Joined also because browsers refuse views of shared memory, where parameters may live.
    this.#socket.send(joinParts([...parts, new Uint8Array(0)]) as Uint8Array<ArrayBuffer>);
    this.#watch(this.#socket.bufferedAmount);
  }

  close(code: number, reason: string): void {
    // Pages may only use 1000 and 3000..4999: 1008 travels as 4008.
    this.#socket.close(code >= 1001 && code < 2000 ? code + 3000 : code, reason);
    this.#closeTimer ??= this.#clock.setTimer(() => {
      this.terminate();
    }, closeTimeoutMs);
  }

  /** Browsers offer no way to drop a socket at once; it is closed and no longer listened to. */
  terminate(): void {
    this.#socket.close();
    this.#finish(1006, "terminated");
  }

  #finish(code: number, reason: string): void {
    this.#clock.clearTimer(this.#closeTimer);
    this.#clock.clearTimer(this.#poll);
    if (this.#ended) return;
    this.#ended = true;
    this.#sink?.ended(code, reason);
  }

  #watch(before: number): void {
    if (this.#poll !== undefined || this.#ended) return;
    this.#poll = this.#clock.setTimer(() => {
      this.#poll = undefined;
      const now = this.#socket.bufferedAmount;
      if (now > 0) this.#watch(now);
      if (now < before) this.#sink?.drained();
    }, pollMs);
  }
}
