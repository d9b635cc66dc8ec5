/** Messages: every kind is understood from the side that sends it, and errors say in one line what is wrong. */
import { describe, expect, test } from "vitest";
import { checkPayload, defaultLimits, limitsFor, parseLinkFrame, parseMessage } from "@weft/protocol";
import { ProtocolError, versionMismatch, type Message, type Sender } from "@weft/protocol";
import { fromCoordinator, fromWorker } from "./samples.ts";

test.each(fromWorker.map((message) => [message.kind, message] as const))("a worker may send %s", (_, message) => {
  expect(parseMessage(message, "worker")).toEqual(message);
  expect(() => parseMessage(message, "coordinator")).toThrow("message from a coordinator: kind welcome, refused, ");
});

test.each(fromCoordinator.map((message) => [message.kind, message] as const))(
  "a coordinator may send %s",
  (_, message) => {
    expect(parseMessage(message, "coordinator")).toEqual(message);
    expect(() => parseMessage(message, "worker")).toThrow("message from a worker: kind hello, ready, ");
  },
);

const hello = fromWorker[0];
const update = fromWorker[4];

test.each<[string, unknown, Sender, string]>([
  ["no object", 7, "worker", "got nothing"],
  [
    "no kind",
    {},
    "worker",
    "kind hello, ready, refuse, fetch, update, evaluated, decline, prefetch, leave expected, got nothing",
  ],
  ["an unknown kind", { kind: "x".repeat(99) }, "worker", `expected, got "${"x".repeat(40)}…"`],
  ["a kind of the prototype", { kind: "toString" }, "worker", 'expected, got "toString"'],
  ["a missing field", { kind: "ready" }, "worker", "ready: jobHash: expected string, got nothing"],
  ["a wrong type", { kind: "leave", reason: 3 }, "worker", "leave: reason: expected string, got 3"],
  ["an extra field", { kind: "leave", reason: "", admin: 1 }, "worker", 'leave: unknown field "admin"'],
  [
    "a number that is not finite",
    { ...update, weight: Infinity },
    "worker",
    "update: weight: expected number, got Infinity",
  ],
  [
    "a metric that is NaN",
    { ...update, metrics: { loss: NaN } },
    "worker",
    "update: metrics.loss: expected number, got NaN",
  ],
  [
    "a negative count",
    { ...update, round: -1 },
    "worker",
    "update: round: Too small: expected number to be >=0, got -1",
  ],
  [
    "another version with other fields",
    { kind: "hello", protocol: 2 },
    "worker",
    "protocol version 2 is not spoken here",
  ],
])("%s is refused in one readable line", (_, message, from, text) => {
  expect(() => parseMessage(message, from)).toThrow(ProtocolError);
  expect(() => parseMessage(message, from)).toThrow(text);
});

test("a hello of another version with the same fields is left to the coordinator, which answers it", () => {
  const other = { ...hello, protocol: 2 } as Message;
  expect(parseMessage(other, "worker")).toEqual(other);
  expect(versionMismatch(1)).toBeUndefined();
  expect(versionMismatch(2)).toBe("protocol version 2 is not spoken here; this side speaks 1; update the older side");
});

test("hostile text does not reach a log in full, or as it is", () => {
  const message = { kind: "leave", reason: "", [`\u001b[2J${"x".repeat(1000)}`]: 1 };
  try {
    parseMessage(message, "worker");
    expect.unreachable();
  } catch (error) {
    expect((error as Error).message).toMatch(/^leave: unknown field "\\u001b\[2Jx{36}…"$/);
  }
});

describe("payloads", () => {
  const limits = limitsFor({ parameters: 1000, maxFetchExamples: 10 });

  test("belong to updates, weights, jobs, partitions, fetches and examples only", () => {
    const carrying = Object.entries(defaultLimits).filter(([, limit]) => limit !== null);
    expect(carrying.map(([kind]) => kind).sort()).toEqual([
      "examples",
      "fetch",
      "job",
      "partition",
      "update",
      "weights",
    ]);
  });

  test("are limited by the size of the model where they depend on it", () => {
    checkPayload("update", 4000, limits);
    checkPayload("fetch", 0, limits);
    checkPayload("leave", undefined, limits);
    expect(() => {
      checkPayload("update", 4001, limits);
    }).toThrow("update: a payload of at most 4000 bytes expected, got 4001");
    expect(() => {
      checkPayload("fetch", 44, limits);
    }).toThrow("at most 40 bytes");
    expect(() => {
      checkPayload("weights", undefined, limits);
    }).toThrow("weights: a payload expected, got none");
    expect(() => {
      checkPayload("work", 0, limits);
    }).toThrow("work: no payload expected, got one of 0 bytes");
  });
});

describe("link frames", () => {
  test.each<[string, unknown, number, string]>([
    ["of no kind", null, 0, "message, chunk, credit, cancel, ping or pong expected"],
    ["of an unknown kind", { frame: "toString" }, 0, "message, chunk, credit, cancel, ping or pong expected"],
    ["with a stream out of range", { frame: "chunk", stream: 0, offset: 0 }, 1, "chunk frame: stream: Too small"],
    ["with extra fields", { frame: "ping", id: 1, x: 1 }, 0, 'ping frame: unknown field "x"'],
    ["with raw bytes that do not belong", { frame: "ping", id: 1 }, 5, "ping frame: no raw bytes expected, got 5"],
  ])("%s are refused", (_, header, bytes, text) => {
    expect(() => parseLinkFrame(header, bytes)).toThrow(text);
  });
});
