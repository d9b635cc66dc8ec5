/** Small pure parts: back-off, rate limit, the text of a close frame. */
import { expect, test } from "vitest";
import { backoffDelay } from "@weft/transport";
import { closeText } from "../src/carrier.ts";
import { RateLimit } from "../src/rateLimit.ts";

test("the wait doubles from the first attempt on, up to the cap", () => {
  const limits = { firstMs: 100, maxMs: 1000 };
  const longest = Array.from({ length: 8 }, (_, attempt) => backoffDelay(attempt, () => 1, limits));
  expect(longest).toEqual([100, 200, 400, 800, 1000, 1000, 1000, 1000]);
  expect(backoffDelay(5000, () => 1, limits)).toBe(1000);
});

test("jitter spreads the wait over the upper half", () => {
  const limits = { firstMs: 100, maxMs: 1000 };
  expect(backoffDelay(1, () => 0, limits)).toBe(100);
  expect(backoffDelay(1, () => 0.5, limits)).toBe(150);
});

test("a rate limit admits one second's worth at once, then its rate", () => {
  const limit = new RateLimit(10);
  const admitted = (nowMs: number) => Array.from({ length: 20 }, () => limit.admit(nowMs)).filter(Boolean).length;
  expect(admitted(0)).toBe(10);
  expect(admitted(0)).toBe(0);
  expect(admitted(500)).toBe(5);
  expect(admitted(60_000)).toBe(10);
});

test("a close frame's reason is cut to 123 bytes, between characters", () => {
  expect(closeText("short")).toBe("short");
  for (let length = 0; length < 130; length++) {
    const text = closeText(`${"x".repeat(length)}${"ü€😀".repeat(40)}`);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(123);
    expect(text).toMatch(/^x*(ü€😀)*(ü|ü€)?…$/u);
  }
});
