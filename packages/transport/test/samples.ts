/** Messages and payloads that the tests send. */
import type { Connection, IncomingPayload } from "@weft/transport";
import type { Message, MessageOf } from "@weft/protocol";

export const leave = (reason: string): MessageOf<"leave"> => ({ kind: "leave", reason });

export const fetchRows = (request: number): MessageOf<"fetch"> => ({ kind: "fetch", request });

export const update = (round: number): MessageOf<"update"> => ({
  kind: "update",
  run: "run",
  round,
  attempt: 0,
  version: round,
  codec: "f32",
  weight: 1,
  metrics: { loss: 0.5 },
  computeMs: 1,
});

export const weights = (version: number): MessageOf<"weights"> => ({
  kind: "weights",
  run: "run",
  version,
  codec: "f32",
  hash: "0".repeat(64),
});

export const committed = (round: number): MessageOf<"committed"> => ({
  kind: "committed",
  round,
  version: round,
  metrics: {},
});

/** Bytes that differ from place to place, so that a lost, doubled or moved chunk shows. */
export function pattern(bytes: number, seed = 1): Uint8Array {
  const values = new Uint8Array(bytes);
  let state = seed;
  for (let index = 0; index < bytes; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[index] = state >>> 24;
  }
  return values;
}

export interface Received {
  readonly message: Message;
  readonly payload: IncomingPayload | undefined;
}

/** Everything that arrives at a connection, to be awaited one by one. */
export function inbox(connection: Connection): { next(): Promise<Received>; readonly all: readonly Received[] } {
  const all: Received[] = [];
  let taken = 0;
  let waiting: (() => void)[] = [];
  connection.listen((message, payload) => {
    all.push({ message, payload });
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  });
  return {
    all,
    async next() {
      for (;;) {
        const received = all[taken];
        if (received !== undefined) {
          taken += 1;
          return received;
        }
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}
