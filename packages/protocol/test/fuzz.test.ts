/** Mutated and random bytes raise ProtocolError or nothing, leave every prototype alone, and never get past a schema. */
import { expect, test } from "vitest";
import { decodeFrame, decodeJob, encodeFrame, encodeJob, parseLinkFrame, parseMessage } from "@weft/protocol";
import { ProtocolError, type Sender } from "@weft/protocol";
import { draft, fromCoordinator, fromWorker, programs } from "./samples.ts";

const mutations = 10_000;

/** Numbers that look random and are the same in every run (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Type bytes and lengths that steer a decoder somewhere else. */
const telling = [0x00, 0x80, 0x81, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc7, 0xca, 0xcf, 0xd4, 0xdc, 0xdf, 0xff];

function mutate(original: Uint8Array, random: (below: number) => number): Uint8Array {
  const bytes = original.slice();
  for (let changes = 1 + random(4); changes > 0; changes--) {
    const at = random(bytes.length);
    const how = random(4);
    if (how === 0) bytes[at] = random(256);
    else if (how === 1) bytes[at] = telling[random(telling.length)] ?? 0;
    else if (how === 2) bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
    else bytes.copyWithin(at, random(bytes.length), random(bytes.length));
  }
  return random(4) === 0 ? bytes.subarray(0, random(bytes.length + 1)) : bytes;
}

const frames = [
  ...[...fromWorker, ...fromCoordinator].map((message) =>
    encodeFrame({ frame: "message", message, payload: { stream: 1, bytes: 100 } }),
  ),
  encodeFrame({ frame: "chunk", stream: 1, offset: 0 }, new Uint8Array(100)),
  encodeFrame({ frame: "credit", stream: 1, bytes: 262_144 }),
  encodeFrame({ frame: "cancel", stream: 1 }),
  encodeFrame({ frame: "ping", id: 1 }),
];

/** Everything a link does with a frame's bytes. */
function read(bytes: Uint8Array, from: Sender): void {
  const { header, body } = decodeFrame(bytes);
  const frame = parseLinkFrame(header, body.length);
  if (frame.frame === "message") parseMessage(frame.message, from);
}

/** Whether the bytes were refused; any other error is thrown on. */
function refused(attempt: () => unknown): boolean {
  try {
    attempt();
    return false;
  } catch (error) {
    if (error instanceof ProtocolError) return true;
    throw error;
  }
}

function prototypes(): string {
  return [Object, Array, Function, String, Number, Uint8Array, Map]
    .map(({ prototype }) =>
      Reflect.ownKeys(prototype as object)
        .map(String)
        .join(),
    )
    .join("\n");
}

test("mutated frames raise ProtocolError or nothing", () => {
  const before = prototypes();
  const random = generator(1);
  let count = 0;
  for (let index = 0; index < mutations; index++) {
    const bytes = mutate(frames[index % frames.length] ?? new Uint8Array(), random);
    if (
      refused(() => {
        read(bytes, index % 2 === 0 ? "worker" : "coordinator");
      })
    )
      count += 1;
  }
  expect(prototypes()).toBe(before);
  expect(count).toBeGreaterThan(mutations / 2);
  expect(count).toBeLessThan(mutations);
});

test("random bytes raise ProtocolError", () => {
  const random = generator(2);
  for (let index = 0; index < mutations; index++) {
    const bytes = Uint8Array.from({ length: random(200) }, () => random(256));
    // A plausible length lets half of them reach the scan of the header.
    if (bytes.length > 8 && random(2) === 0) bytes.set([random(bytes.length - 4), 0, 0, 0]);
    expect(
      refused(() => {
        read(bytes, "worker");
      }),
    ).toBe(true);
  }
});

test("every cut through a frame's header raises ProtocolError", () => {
  for (const frame of frames.slice(0, -4)) {
    for (let length = 0; length < frame.length; length++) {
      expect(
        refused(() => {
          read(frame.subarray(0, length), "worker");
        }),
      ).toBe(true);
    }
  }
});

test("mutated jobs raise ProtocolError or nothing", () => {
  const before = prototypes();
  const random = generator(3);
  const job = encodeJob(draft, programs);
  for (let index = 0; index < mutations / 5; index++) refused(() => decodeJob(mutate(job, random)));
  expect(prototypes()).toBe(before);
});
