/** What passes on a link beside and around messages: chunks of payload, credit for them, their end before time, heartbeats. */
import * as z from "zod";
import { ProtocolError } from "./errors.ts";
import { explain } from "./explain.ts";

/** Bytes of payload in one chunk; all chunks of a payload but the last are this long. */
export const chunkBytes = 256 * 1024;

/** Bytes of a payload that may be sent before the receiver has granted any. */
export const initialCreditBytes = 1024 * 1024;

/** Payloads under way at once in one direction; a sender waits with the next message, a receiver closes the link. */
export const maxStreams = 16;

const count = z.int().nonnegative();
const stream = z.int().positive().max(0xffffffff);

const linkFrames = {
  /** A message; with `payload`, that many bytes follow in chunks of the same stream. Streams only ever count up. */
  message: z.strictObject({
    frame: z.literal("message"),
    message: z.unknown(),
    payload: z.strictObject({ stream, bytes: count }).optional(),
  }),
  /** Raw bytes: the next chunk of a stream. */
  chunk: z.strictObject({ frame: z.literal("chunk"), stream, offset: count }),
  /** The receiver has room for so many more bytes of a stream. */
  credit: z.strictObject({ frame: z.literal("credit"), stream, bytes: z.int().positive() }),
  /** The sender gives up the rest of a stream. */
  cancel: z.strictObject({ frame: z.literal("cancel"), stream }),
  ping: z.strictObject({ frame: z.literal("ping"), id: count }),
  pong: z.strictObject({ frame: z.literal("pong"), id: count }),
} as const;

export type LinkFrame = z.infer<(typeof linkFrames)[keyof typeof linkFrames]>;

/**
 * The header of a frame as a link frame; `bodyBytes` is the length of the raw bytes after it.
 *
 * @throws {ProtocolError} for a header of another form, and for raw bytes where none belong
 */
export function parseLinkFrame(header: unknown, bodyBytes: number): LinkFrame {
  const name = frameName(header);
  const schema = linkFrames[name];
  const result = schema.safeParse(header);
  if (!result.success) throw new ProtocolError("message", explain(`${name} frame`, header, result.error.issues));
  const frame: LinkFrame = result.data;
  if (frame.frame !== "chunk" && bodyBytes > 0) {
    throw new ProtocolError("payload", `${name} frame: no raw bytes expected, got ${bodyBytes}`);
  }
  return frame;
}

function frameName(header: unknown): LinkFrame["frame"] {
  const name: unknown = typeof header === "object" && header !== null && "frame" in header ? header.frame : undefined;
  for (const known of ["message", "chunk", "credit", "cancel", "ping", "pong"] as const)
    if (name === known) return known;
  throw new ProtocolError("message", `frame: message, chunk, credit, cancel, ping or pong expected`);
}
