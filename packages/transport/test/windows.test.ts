/** What senders may have under way, shared by all that a thread reads. */
import { setImmediate } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { chunkBytes, initialCreditBytes } from "@weft/protocol";
import { ConnectionError } from "../src/errors.ts";
import { Incoming } from "../src/incoming.ts";
import { linkAccount } from "../src/tally.ts";
import { Windows, windows } from "../src/windows.ts";

const mebibyte = 2 ** 20;

test("few payloads have 4 MiB each, many share 12 MiB, and nobody less than a chunk", () => {
  const shared = new Windows();
  const eachOf: number[] = [];
  for (let readers = 1; readers <= 100; readers++) {
    shared.begin();
    eachOf.push(shared.eachBytes);
    expect(shared.eachBytes % chunkBytes).toBe(0);
    expect(shared.grantBytes).toBeGreaterThanOrEqual(chunkBytes);
    expect(shared.grantBytes).toBeLessThanOrEqual(shared.eachBytes);
    if (readers <= 48) expect(readers * shared.eachBytes).toBeLessThanOrEqual(12 * mebibyte);
  }
  expect([eachOf[0], eachOf[2], eachOf[5], eachOf[19], eachOf[99]]).toEqual([
    4 * mebibyte,
    4 * mebibyte,
    2 * mebibyte,
    mebibyte / 2,
    chunkBytes,
  ]);
});

/** A payload that is read as its credit allows, one chunk at a time. */
function reading(bytes: number) {
  let granted = initialCreditBytes;
  let sent = 0;
  const incoming = new Incoming({ bytes, account: linkAccount }, (more) => (granted += more));
  const chunks = incoming.chunks();
  let next: Promise<unknown> | undefined;
  return {
    incoming,
    chunks,
    aheadBytes: () => granted - sent,
    begin() {
      next = chunks.next();
    },
    async pass() {
      next ??= chunks.next();
      incoming.accept(new Uint8Array(Math.min(chunkBytes, bytes - sent)), sent);
      sent += Math.min(chunkBytes, bytes - sent);
      await next;
      next = undefined;
    },
  };
}

const before = windows.eachBytes;
afterEach(() => {
  expect(windows.eachBytes).toBe(before);
});

test("a payload among many gets all its chunks, with no more under way than its share", async () => {
  const many = Array.from({ length: 60 }, () => reading(3 * mebibyte));
  for (const each of many) each.begin();
  for (let chunk = 0; chunk < 12; chunk++) {
    for (const each of many) {
      await each.pass();
      if (chunk >= 4) expect(each.aheadBytes()).toBeLessThanOrEqual(chunkBytes);
    }
  }
  expect(many.every(({ incoming }) => incoming.complete)).toBe(true);
});

test.each([
  ["discarded while it is read", ({ chunks }: ReturnType<typeof reading>) => void chunks.return(undefined)],
  [
    "cut off",
    ({ incoming }: ReturnType<typeof reading>) => {
      incoming.end(new ConnectionError("closed", "gone"));
    },
  ],
])("a payload that is %s gives its share back", async (_, stop) => {
  const payload = reading(10 * mebibyte);
  await payload.pass();
  stop(payload);
  await setImmediate();
});
