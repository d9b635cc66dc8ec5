/** A payload on its way in: keeps the chunks that were not read yet, and grants credit for those that were. */
import { ProtocolError, chunkBytes, initialCreditBytes } from "@weft/protocol";
import type { IncomingPayload } from "./connection.ts";
import { ConnectionError } from "./errors.ts";
import type { Account } from "./tally.ts";
import { windows } from "./windows.ts";

export class Incoming implements IncomingPayload {
  readonly bytes: number;
  /** What its bytes are counted as. */
  readonly account: Account;
  readonly #grant: (bytes: number) => void;
  #queue: Uint8Array[] = [];
  #receivedBytes = 0;
  #takenBytes = 0;
  #grantedBytes = initialCreditBytes;
  #use: "unread" | "read" | "discarded" = "unread";
  #error: ConnectionError | undefined;
  #wake: (() => void) | undefined;
  /** Whether it has its share of what may be under way. */
  #shares = false;

  /** @param grant tells the sender that so many more bytes may come */
  constructor(announced: { readonly bytes: number; readonly account: Account }, grant: (bytes: number) => void) {
    this.bytes = announced.bytes;
    this.account = announced.account;
    this.#grant = grant;
  }

  get complete(): boolean {
    return this.#receivedBytes === this.bytes;
  }

  /** The next chunk from the wire. */
  accept(chunk: Uint8Array, offset: number): void {
    const expected = Math.min(chunkBytes, this.bytes - this.#receivedBytes);
    if (offset !== this.#receivedBytes || chunk.length !== expected) {
      throw new ProtocolError(
        "sequence",
        `chunk: ${expected} bytes at ${this.#receivedBytes} expected, got ${chunk.length} at ${offset}`,
      );
    }
    if (this.#receivedBytes + chunk.length > this.#grantedBytes) {
      throw new ProtocolError("sequence", `chunk: beyond the ${this.#grantedBytes} bytes that were granted`);
    }
    this.#receivedBytes += chunk.length;
    if (this.#use === "discarded") this.#taken(chunk.length);
    else this.#queue.push(chunk);
    if (this.complete) this.#share(false);
    this.#rouse();
  }

  /** No more will come. What has come can still be read, so that a transfer goes on where it broke. */
  end(error: ConnectionError): void {
    if (this.complete) return;
    this.#share(false);
    this.#error = error;
    this.#rouse();
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#use !== "unread") throw new ConnectionError("consumed", "a payload can be read only once");
    this.#use = "read";
    this.#share(!this.complete && this.#error === undefined);
    try {
      while (this.#takenBytes < this.bytes) {
        const chunk = this.#queue.shift();
        if (chunk === undefined) {
          if (this.#error !== undefined) throw this.#error;
          await new Promise<void>((resolve) => (this.#wake = resolve));
          continue;
        }
        this.#taken(chunk.length);
        yield chunk;
      }
    } finally {
      // A reader that stops early must not leave the sender waiting for credit.
      this.#drop();
    }
  }

  async collect(): Promise<Uint8Array> {
    const all = new Uint8Array(this.bytes);
    let offset = 0;
    for await (const chunk of this.chunks()) {
      all.set(chunk, offset);
      offset += chunk.length;
    }
    return all;
  }

  discard(): void {
    if (this.#use === "unread") this.#drop();
  }

  #drop(): void {
    this.#use = "discarded";
    this.#share(false);
    const unread = this.#queue;
    this.#queue = [];
    for (const chunk of unread) this.#taken(chunk.length);
  }

  #taken(bytes: number): void {
    this.#takenBytes += bytes;
    const target = Math.min(this.bytes, this.#takenBytes + windows.eachBytes);
    const more = target - this.#grantedBytes;
    const due = target === this.bytes ? 1 : windows.grantBytes;
    if (more < due || this.#error !== undefined) return;
    this.#grantedBytes = target;
    this.#grant(more);
  }

  #share(shares: boolean): void {
    if (shares === this.#shares) return;
    this.#shares = shares;
    if (shares) windows.begin();
    else windows.end();
  }

  #rouse(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
