/** One timer for all heartbeats of the same interval. */
import { expect, test } from "vitest";
import { Beats, beatsOf } from "../src/beats.ts";
import { virtualClock } from "../../../test/support/virtualClock.ts";

/** Notes when it was called, and may do something then. */
function beating(clock: { now(): number }, also: () => void = () => undefined) {
  const atMs: number[] = [];
  const beat = () => {
    atMs.push(clock.now());
    also();
  };
  return { atMs, beat };
}

/** A clock that counts its timers. */
function counted() {
  const clock = virtualClock();
  let timers = 0;
  const setTimer = (callback: () => void, ms: number) => {
    timers += 1;
    return clock.setTimer(callback, ms);
  };
  return { ...clock, setTimer, now: () => clock.now(), timers: () => timers };
}

test("each beats at its own interval from when it was added", async () => {
  const clock = virtualClock();
  const beats = new Beats(clock, 1000);
  const [first, second] = [beating(clock), beating(clock)];
  beats.add(first);
  await clock.advance(300);
  beats.add(second);
  await clock.advance(2100);
  expect(first.atMs).toEqual([1000, 2000]);
  expect(second.atMs).toEqual([1300, 2300]);
});

test("a hundred that came within a fiftieth of the interval wake the process once", async () => {
  const clock = counted();
  const beats = new Beats(clock, 1000);
  const all = Array.from({ length: 100 }, () => beating(clock));
  for (const each of all) beats.add(each);
  await clock.advance(10_000);
  expect(all.every(({ atMs }) => atMs.length === 10)).toBe(true);
  expect(clock.timers()).toBeLessThan(15);
});

test("one that is removed beats no more, also when one that beats before it removes it", async () => {
  const clock = virtualClock();
  const beats = new Beats(clock, 100);
  const third = beating(clock);
  const second = beating(clock, () => {
    beats.remove(third);
  });
  const first = beating(clock);
  for (const each of [first, second, third]) beats.add(each);
  beats.remove(first);
  await clock.advance(250);
  expect([first.atMs, second.atMs, third.atMs]).toEqual([[], [100, 200], []]);
});

test("one whose beat throws does not stop the others", async () => {
  const clock = virtualClock();
  const beats = new Beats(clock, 100);
  const failing = beating(clock, () => {
    beats.remove(failing);
    throw new Error("one goes wrong");
  });
  const other = beating(clock);
  beats.add(failing);
  beats.add(other);
  await clock.advance(350).catch(() => undefined);
  await clock.advance(350).catch(() => undefined);
  expect(other.atMs.length).toBeGreaterThan(2);
});

test("when all are removed no timer is left, and the next one added beats again", async () => {
  const clock = virtualClock();
  const beats = beatsOf(clock, 50);
  expect(beatsOf(clock, 50)).toBe(beats);
  const one = beating(clock);
  beats.add(one);
  beats.remove(one);
  expect(clock.pending).toBe(0);
  await clock.advance(500);
  beats.add(one);
  await clock.advance(60);
  expect(one.atMs).toEqual([550]);
});
