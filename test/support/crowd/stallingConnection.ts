/** A worker's connection whose payloads stop half-way for good, while everything else passes: messages, heartbeats, what comes in. */
import { type Carrier, type Connection, Link, type LinkOptions } from "@weft/transport";
import { WebSocket } from "ws";

/** Frames of at least this size are chunks of a payload. */
const chunkBytes = 64 * 1024;

/** @param afterBytes of payloads that still pass */
export async function connectStalling(url: string, options: LinkOptions, afterBytes: number): Promise<Connection> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const link = new Link(new StallingCarrier(socket, afterBytes, () => link.drained()), options);
  socket.on("message", (data: Buffer) => link.receive(new Uint8Array(data)));
  socket.on("close", (code: number, reason: Buffer) => link.ended(code, reason.toString()));
  socket.on("error", () => undefined); // A close follows.
  return link;
}

class StallingCarrier implements Carrier {
  readonly remote = "coordinator";
  readonly #socket: WebSocket;
  readonly #sent: () => void;
  #leftBytes: number;

  constructor(socket: WebSocket, afterBytes: number, sent: () => void) {
    this.#socket = socket;
    this.#leftBytes = afterBytes;
    this.#sent = sent;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(parts: readonly Uint8Array[]): void {
    const frame = Buffer.concat(parts);
    if (frame.length >= chunkBytes) {
      if (this.#leftBytes < frame.length) return;
      this.#leftBytes -= frame.length;
    }
    this.#socket.send(frame, this.#sent);
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }
}
