/** The error of this package: what was expected, what came, and a stable code that tells the kinds of trouble apart. */

export type ProtocolErrorCode =
  /** A frame is cut short or its parts do not add up. */
  | "frame"
  /** A header or payload is larger than its limit. */
  | "size"
  /** A header is not plain msgpack data, or is nested or filled beyond the limits. */
  | "header"
  /** A message or link frame of no known kind, with wrong types, missing or extra fields. */
  | "message"
  /** A payload where none belongs, or none where one does. */
  | "payload"
  /** The peer speaks another version of the protocol. */
  | "version"
  /** A job document that contradicts itself. */
  | "job"
  /** Frames that are valid one by one, in an order that is not: an unknown stream, more bytes than announced. */
  | "sequence";

/** Bytes or messages that do not follow the protocol. */
export class ProtocolError extends Error {
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  override get name(): string {
    return "ProtocolError";
  }
}

/** A value from the network in a message to a person: short, printable, and never the whole of it. */
export function quote(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return value === null ? "null" : `a value of type ${typeof value}`;
}
