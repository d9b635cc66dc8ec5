/** From `unknown` to a typed message: the only way in for what came over the wire. */
import { ProtocolError, quote } from "./errors.ts";
import { explain } from "./explain.ts";
import { versionMismatch } from "./handshake.ts";
import { coordinatorMessages, workerMessages, type Message } from "./messages.ts";
import type { z } from "zod";

/** Which end of a connection a message comes from. */
export type Sender = "worker" | "coordinator";

const schemas: Readonly<Record<Sender, ReadonlyMap<unknown, z.ZodType<Message>>>> = {
  worker: new Map<unknown, z.ZodType<Message>>(Object.entries(workerMessages)),
  coordinator: new Map<unknown, z.ZodType<Message>>(Object.entries(coordinatorMessages)),
};

/**
 * The message in a header, if it is one that this sender may send.
 *
 * @throws {ProtocolError} naming in one line what was expected and what came
 */
export function parseMessage(header: unknown, from: Sender): Message {
  const kind: unknown = typeof header === "object" && header !== null && "kind" in header ? header.kind : undefined;
  const schema = schemas[from].get(kind);
  if (schema === undefined) {
    const kinds = [...schemas[from].keys()].join(", ");
    throw new ProtocolError("message", `message from a ${from}: kind ${kinds} expected, got ${quote(kind)}`);
  }
  const result = schema.safeParse(header);
  if (result.success) return result.data;
  // A hello of another version may have other fields; the version is what its sender needs to hear about.
  const mismatch = kind === "hello" ? helloMismatch(header) : undefined;
  if (mismatch !== undefined) throw new ProtocolError("version", mismatch);
  throw new ProtocolError("message", explain(String(kind), header, result.error.issues));
}

function helloMismatch(header: unknown): string | undefined {
  const version = typeof header === "object" && header !== null && "protocol" in header ? header.protocol : undefined;
  return typeof version === "number" ? versionMismatch(version) : undefined;
}
