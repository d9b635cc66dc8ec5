/** When an update's memory may be written again. */
import { createManifest, openCodec } from "@weft/vector";
import { expect, test } from "vitest";
import { encodeUpdate } from "../src/encodeUpdate.ts";
import { EncodingRoom } from "../src/encodingRoom.ts";
import { LocalState } from "../src/localState.ts";
import { PendingUpdate } from "../src/pendingUpdate.ts";
import { work } from "./script.ts";

const codecOf = (kind: "sign" | "int8") => openCodec({ kind }, createManifest([{ name: "w", shape: [1000] }]));
const named = { kind: "update", run: "r", attempt: 0, version: 0, codec: "sign", weight: 4, computeMs: 1 } as const;

/** A worker's memory, and updates that go out from it. */
function sender(kind: "sign" | "int8" = "sign") {
  const codec = codecOf(kind);
  const state = new LocalState();
  const room = new EncodingRoom(state);
  const pending = new PendingUpdate(room);
  return {
    state,
    pending,
    send: (round: number) => {
      const values = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i * round));
      const { payload, owed } = encodeUpdate(codec, [values], { seed: round, state, room });
      state.stage({ round, attempt: 0 }, owed);
      const message = { ...named, round, metrics: {} };
      pending.keep({ work: work({ round }), partition: undefined, message, payload }, String(round));
      return { bytes: payload[0]!, residual: owed["codec.residual.0"]! };
    },
    answer: (round: number, accepted: boolean) => {
      state.verdict({ round, attempt: 0 }, accepted);
      pending.verdict({ kind: "verdict", round, attempt: 0, accepted, code: "", reason: "" });
      if (accepted) state.settle(round);
    },
  };
}

test("two updates' memory serves all, where each counts before the next", () => {
  const { send, answer } = sender();
  const updates = [1, 2, 3, 4, 5].map((round) => {
    const update = send(round);
    answer(round, true);
    return update;
  });
  expect(new Set(updates.map(({ residual }) => residual)).size).toBe(2);
  expect(new Set(updates.map(({ bytes }) => bytes)).size).toBe(2);
});

test("what waits for its answer, and what is owed for the last that counted, is left as it is", () => {
  const { send, answer, state } = sender();
  const counted = send(1);
  answer(1, true);
  const owed = counted.residual.slice();
  const waiting = send(2);
  const [bytes, residual] = [waiting.bytes.slice(), waiting.residual.slice()];
  // An order that supersedes the one before leaves no memory free: its own is fresh.
  const third = send(3);
  expect(third.residual).not.toBe(waiting.residual);
  expect(waiting.bytes).toEqual(bytes);
  expect(waiting.residual).toEqual(residual);
  answer(3, true);
  const fourth = send(4);
  expect(waiting.bytes).toEqual(bytes);
  expect(fourth.residual).not.toBe(third.residual);
  expect(state.holds(third.residual)).toBe(true);
  expect(owed).toEqual(encodedAgain());

  function encodedAgain() {
    const other = sender();
    return other.send(1).residual;
  }
});

test("an update that was refused gives its memory back, and what was owed before stays owed", () => {
  const { send, answer, state } = sender();
  const first = send(1);
  answer(1, true);
  const owed = first.residual.slice();
  const second = send(2);
  answer(2, false);
  expect(state.read("codec.residual.0")).toEqual(owed);
  const third = send(3);
  expect(third.residual).toBe(second.residual);
  expect(third.bytes).not.toBe(first.bytes);
  expect(state.read("codec.residual.0")).toEqual(owed);
});

test.each(["sign", "int8"] as const)("bytes of an update in %s that waits for its answer are not written", (kind) => {
  const { send, answer } = sender(kind);
  send(1);
  answer(1, true);
  const waiting = send(2);
  const bytes = waiting.bytes.slice();
  expect(send(3).bytes).not.toBe(waiting.bytes);
  expect(waiting.bytes).toEqual(bytes);
});

test.each(["sign", "int8"] as const)(
  "bytes of one in %s that was given up unanswered are never written again",
  (kind) => {
    const { send, answer } = sender(kind);
    const lost = send(1);
    const bytes = lost.bytes.slice();
    for (const round of [2, 3, 4, 5]) {
      expect(send(round).bytes).not.toBe(lost.bytes);
      answer(round, true);
    }
    expect(lost.bytes).toEqual(bytes);
  },
);

test("what training changes lies in memory that was there, but never where an update may still be sent from", () => {
  const room = new EncodingRoom(new LocalState());
  const bytesOf = (values: Float32Array) => [new Uint8Array(values.buffer)];
  const first = room.change(10);
  expect(room.change(10), "nothing of it went out").toBe(first);
  room.hold(bytesOf(first));
  const second = room.change(10);
  expect(second).not.toBe(first);
  room.hold(bytesOf(second));
  const third = room.change(10);
  expect([first, second], "both may still be sent").not.toContain(third);
  const other = bytesOf(second);
  room.release(other);
  expect(room.change(10)).not.toBe(first);
  expect(room.change(11), "of another size").toHaveLength(11);
});

test("two changes serve all updates that are answered before the next, and given up ones are left to the socket", () => {
  const room = new EncodingRoom(new LocalState());
  const changes = [1, 2, 3, 4, 5, 6].map(() => {
    const change = room.change(10);
    const payload = [new Uint8Array(change.buffer)];
    room.hold(payload);
    room.release(payload);
    return change;
  });
  expect(new Set(changes).size).toBeLessThanOrEqual(2);
  const lost = room.change(10);
  const payload = [new Uint8Array(lost.buffer)];
  room.hold(payload);
  room.abandon(payload);
  expect([room.change(10), room.change(10), room.change(10)]).not.toContain(lost);
});
