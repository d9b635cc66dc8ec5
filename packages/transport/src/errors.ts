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
  /** The server answered the upgrade with an HTTP status of its own: 401, 403, 404 and others. */
  | "unauthorized"
  | "forbidden"
  | "not-found"
  | "http"
  /** The server's certificate or the TLS handshake is at fault. */
  | "tls"
  /** The caller gave up. */
  | "aborted"
  /** A payload was read twice. */
  | "consumed";

/** Codes that another attempt can heal. */
const passing: ReadonlySet<ConnectionErrorCode> = new Set(["closed", "unreachable", "timeout", "http"]);

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
