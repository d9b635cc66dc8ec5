/** The error of this package: why there is no connection, or no longer one. */

export type ConnectionErrorCode =
  /** The connection ended, from either side. */
  | "closed"
  /** Not a ws:// or wss:// address. */
  | "address"
  /** Nothing listens there, or the machine cannot be reached. */
  | "unreachable"
  /** No answer in time. */
  | "timeout"
  /** The server answered the upgrade with 401, 403 or 404. */
  | "unauthorized"
  | "forbidden"
  | "not-found"
  /** It answered with 429 or 5xx, so later may be better. */
  | "busy"
  /** It answered something else, or does not speak WebSocket at all. */
  | "http"
  /** The server's certificate or the TLS handshake is at fault. */
  | "tls"
  /** The caller gave up connecting or sending. */
  | "aborted"
  /** The sender gave up the rest of a payload. */
  | "cancelled"
  /** A payload was read twice. */
  | "consumed";

/** Codes that another attempt can heal. */
const passing: ReadonlySet<ConnectionErrorCode> = new Set(["closed", "unreachable", "timeout", "busy"]);

export class ConnectionError extends Error {
  readonly code: ConnectionErrorCode;

  constructor(code: ConnectionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  override get name(): string {
    return "ConnectionError";
  }

  /** Whether connecting again later can help. */
  get retry(): boolean {
    return passing.has(this.code);
  }
}
