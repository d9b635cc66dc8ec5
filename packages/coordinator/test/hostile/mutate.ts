/** Frames of a worker with a few bytes changed. */
import { encodeFrame } from "@weft/protocol";
import { hello } from "./attacks.ts";

const update = {
  kind: "update",
  run: "r",
  round: 1,
  attempt: 0,
  version: 0,
  codec: "f32",
  weight: 6,
  metrics: { loss: 12, accuracy: 3 },
  computeMs: 1,
};
const evaluated = { kind: "evaluated", run: "r", round: 1, attempt: 0, weight: 4, metrics: {}, computeMs: 1 };
const decline = { kind: "decline", run: "r", round: 1, attempt: 0, code: "busy", reason: "x" };

/** One of every kind that a worker may send. */
const samples = [
  encodeFrame({ frame: "message", message: hello() }),
  encodeFrame({ frame: "message", message: { kind: "ready", jobHash: "0".repeat(64) } }),
  encodeFrame({ frame: "message", message: { kind: "fetch", request: 1 }, payload: { stream: 2, bytes: 40 } }),
  encodeFrame({ frame: "message", message: update, payload: { stream: 2, bytes: 400 } }),
  encodeFrame({ frame: "message", message: evaluated }),
  encodeFrame({ frame: "message", message: decline }),
  encodeFrame({ frame: "message", message: { kind: "prefetch" } }),
  encodeFrame({ frame: "message", message: { kind: "leave", reason: "x" } }),
  encodeFrame({ frame: "chunk", stream: 1, offset: 0 }, new Uint8Array(40)),
  encodeFrame({ frame: "credit", stream: 1, bytes: 262_144 }),
  encodeFrame({ frame: "cancel", stream: 1 }),
  encodeFrame({ frame: "ping", id: 1 }),
];

type Random = (below: number) => number;

/** @param frames to choose from; by default one of every kind that a worker may send */
export function mutate(random: Random, frames: readonly Uint8Array[] = samples): Uint8Array {
  const frame = frames[random(frames.length)]!.slice();
  for (let changes = 1 + random(4); changes > 0; changes--) frame[random(frame.length)] = random(256);
  return random(4) === 0 ? frame.subarray(0, random(frame.length + 1)) : frame;
}

/** Numbers that look random and are the same in every run (mulberry32). */
export function mutations(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
