/** Memory that sockets have read into is given back when all of it has been copied, and never before. */
import { expect, test } from "vitest";
import { ReceivedMemory } from "../src/receivedMemory.ts";

const chunk = () => new Uint8Array(65_536).fill(7);
const isGone = ({ buffer }: Uint8Array) => (buffer as ArrayBuffer).detached;

test("chunks are given back once a message has ended in a later one", () => {
  const memory = new ReceivedMemory();
  const [first, second, third, fourth] = [chunk(), chunk(), chunk(), chunk()];
  memory.passed(first);
  memory.passed(second);
  expect([first, second].map(isGone)).toEqual([false, false]);
  memory.keep(new Uint8Array(200_000));
  memory.passed(third);
  expect([first, second, third].map(isGone)).toEqual([true, true, false]);
  memory.keep(new Uint8Array(10_000));
  memory.passed(fourth);
  expect([third, fourth].map(isGone)).toEqual([true, false]);
});

test("what somebody looks at stays, be it of the chunk that came last or of one before", () => {
  const memory = new ReceivedMemory();
  const [first, second, third] = [chunk(), chunk(), chunk()];
  memory.passed(first);
  const view = memory.keep(first.subarray(100, 30_000));
  const other = memory.keep(second.subarray(0, 20_000));
  memory.passed(second);
  memory.keep(new Uint8Array(10_000));
  memory.passed(third);
  expect([view.length, view[0], other.length, other[0]]).toEqual([29_900, 7, 20_000, 7]);
});

test("small parts are copied, so that they hold up nothing", () => {
  const memory = new ReceivedMemory();
  const [first, second] = [chunk(), chunk()];
  memory.passed(first);
  const header = memory.keep(first.subarray(10, 60));
  memory.passed(second);
  expect(isGone(first)).toBe(true);
  expect(header).toEqual(new Uint8Array(50).fill(7));
});

test("memory that the socket shares with others is left alone, and so is what a ping came in", () => {
  const memory = new ReceivedMemory();
  const part = chunk().subarray(0, 100);
  memory.passed(part);
  memory.keep(new Uint8Array(10_000));
  const [pinged, next, last] = [chunk(), chunk(), chunk()];
  memory.leave();
  memory.passed(pinged);
  memory.keep(new Uint8Array(10_000));
  memory.passed(next);
  memory.keep(new Uint8Array(10_000));
  memory.passed(last);
  expect([part, pinged, next, last].map(isGone)).toEqual([false, false, true, false]);
});

test("small pieces are left to the garbage collector, and so is all that comes once nothing is read any more", () => {
  const memory = new ReceivedMemory();
  const [small, before, after, last] = [new Uint8Array(10), chunk(), chunk(), chunk()];
  memory.passed(small);
  memory.passed(before);
  memory.end();
  memory.passed(after);
  memory.keep(new Uint8Array(10_000));
  memory.passed(last);
  expect([small, before, after, last].map(isGone)).toEqual([false, false, false, false]);
});
