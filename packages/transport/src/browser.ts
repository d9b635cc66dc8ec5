/** Connections for browsers: over the page's own WebSocket, and in memory. */
export * from "./backoff.ts";
export * from "./browserSocket.ts";
export * from "./clock.ts";
export type { ConnectOptions } from "./connectOptions.ts";
export * from "./connection.ts";
export * from "./errors.ts";
export type { LinkFault, LinkOptions } from "./link.ts";
export * from "./memory.ts";
