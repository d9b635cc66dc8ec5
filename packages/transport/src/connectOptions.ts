/** Options of `connectWebSocket`, the same in Node and in browsers. */
import type { LinkOptions } from "./link.ts";

export interface ConnectOptions extends LinkOptions {
  /** How long the server may take to answer; 10 s by default. */
  readonly timeoutMs?: number;
  /** Gives up connecting; an open connection is not affected. */
  readonly signal?: AbortSignal;
}
