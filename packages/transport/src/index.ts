/** Connections for Node: over `ws` sockets, as server and client, and in memory. Browsers get browser.ts instead. */
export * from "./backoff.ts";
export * from "./clock.ts";
export type { ConnectOptions } from "./connectOptions.ts";
export * from "./connection.ts";
export * from "./errors.ts";
export type { Carrier, CarrierSink } from "./carrier.ts";
export { Link, type LinkFault, type LinkOptions } from "./link.ts";
export { loopTurns, LoopTurns } from "./loopTurns.ts";
export * from "./memory.ts";
export { RateLimit } from "./rateLimit.ts";
export { SocketTurns, type SocketTurnLimits, socketTurns } from "./socketTurns.ts";
export { startThread } from "./startThread.ts";
export { accountOf, Tally, type TallyEntry } from "./tally.ts";
export * from "./webSocket.ts";
