/** What a lying worker sends where its update should be. The link's own checks are gone round: the liar's code is not ours. */
import { encodeFrame, type Message, type MessageOf } from "@weft/protocol";
import type { OutgoingPayload } from "@weft/transport";
import type { Lie } from "./faults.ts";
import { normBound } from "./knobs.ts";

type Update = MessageOf<"update">;

export interface Truth {
  readonly message: Update;
  readonly payload: OutgoingPayload;
  /** What it sent the round before. */
  readonly last: { readonly message: Update; readonly payload: OutgoingPayload } | undefined;
  readonly send: (message: Message, payload: OutgoingPayload) => Promise<void>;
  /** Bytes as a message of the socket. */
  readonly raw: (bytes: Uint8Array) => void;
}

export async function liedAbout(lie: Lie, { message, payload, last, send, raw }: Truth): Promise<void> {
  const values = bytesOf(payload);
  const changed = (change: (values: Float32Array) => void): Uint8Array => {
    const copy = new Float32Array(values.slice().buffer);
    change(copy);
    return new Uint8Array(copy.buffer);
  };
  switch (lie) {
    case "NaN":
      return send(
        message,
        changed((update) => (update[1] = NaN)),
      );
    case "infinity":
      return send(
        message,
        changed((update) => (update[0] = -Infinity)),
      );
    case "norm beyond the bound":
      return send(
        message,
        changed((update) => (update[2] = 2 * normBound)),
      );
    case "too short":
      return send(message, values.subarray(4));
    case "too long":
      return send(message, Uint8Array.of(...values.subarray(4), 0, 0, 0, 0, 0, 0, 0, 0));
    case "another round":
      return send({ ...message, round: message.round + 1 }, payload);
    case "another version":
      return send({ ...message, version: message.version + 1 }, payload);
    case "weight of many":
      return send({ ...message, weight: 1e9 }, payload);
    case "weight of none":
      return send({ ...message, weight: 0 }, payload);
    case "another codec":
      return send({ ...message, codec: "f16" }, values.subarray(values.length / 2));
    case "another run":
      return send({ ...message, run: "000000" }, payload);
    case "its last update again":
      if (last !== undefined) await send(last.message, last.payload);
      return send(message, payload);
    case "the update twice":
      await send(message, payload);
      return send(message, payload);
    case "garbage":
      raw(Uint8Array.from({ length: 64 }, (_, i) => (i * 89) & 255));
      return;
    case "an unknown message":
      raw(encodeFrame({ frame: "message", message: { kind: "coup", worker: "me" } }));
      return;
    case "a chunk of nothing":
      raw(encodeFrame({ frame: "chunk", stream: 4711, offset: 0 }, values));
      return;
    default:
      lie satisfies never;
  }
}

function bytesOf(payload: OutgoingPayload): Uint8Array {
  return payload instanceof Uint8Array ? payload : Uint8Array.from(payload.flatMap((part) => [...part]));
}
