/** Blocks of uploads on their way to the disk, and back. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { afterEach, expect, it, vi } from "vitest";
import { socketTurns } from "@weft/transport";
import { Keep, KeepBudget } from "../src/uploads/keep.ts";

const blockBytes = 256 * 1024;
const block = (i: number) => new Uint8Array(blockBytes).fill(i);
const firsts = (keep: Keep, count: number) => Array.from({ length: count }, (_, i) => keep.at(i)[7]);

/** The disk takes no more, or nothing at all, with this error. */
function breakDisk(code: string): void {
  vi.spyOn(fs, "write").mockImplementation((...args: unknown[]) => {
    const done = args.at(-1) as (error: Error, written: number) => void;
    setImmediate(() => {
      done(Object.assign(new Error(code), { code }), 0);
    });
  });
  syncBuiltinESMExports();
}

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

it("are the same before they are written and after", async () => {
  const keep = new Keep(new KeepBudget(blockBytes));
  for (let i = 0; i < 6; i++) keep.push(block(i));
  expect(firsts(keep, 6)).toEqual([0, 1, 2, 3, 4, 5]);
  await keep.written;
  expect(keep.memoryBytes).toBe(blockBytes);
  expect(firsts(keep, 6)).toEqual([0, 1, 2, 3, 4, 5]);
  keep.release();
});

it("are read as they came although their memory has been used for others since", async () => {
  const keep = new Keep(new KeepBudget(0));
  const bytes = block(3);
  keep.push(bytes);
  await keep.written;
  bytes.fill(9);
  expect(keep.at(0)).toEqual(block(3));
  keep.release();
});

it("do not pile up on their way to the disk: sockets with more of them are not read while it is behind", async () => {
  const budget = new KeepBudget(0);
  const keeps = Array.from({ length: 4 }, () => new Keep(budget));
  for (let i = 0; i < 20; i++) {
    for (const keep of keeps) keep.push(block(i));
    expect(socketTurns.bar === undefined).toBe(budget.unwrittenBytes <= 2 * 1024 * 1024);
    if (i % 5 === 4) await socketTurns.bar;
  }
  expect(socketTurns.bar).toBeUndefined();
  expect(budget.unwrittenBytes).toBeLessThanOrEqual(2 * 1024 * 1024);
  const read = () => keeps.map((keep) => firsts(keep, 20));
  const pushed = keeps.map(() => Array.from({ length: 20 }, (_, i) => i));
  expect(read()).toEqual(pushed);
  await Promise.all(keeps.map(({ written }) => written));
  expect(read()).toEqual(pushed);
  expect(budget.unwrittenBytes).toBe(0);
  for (const keep of keeps) keep.release();
});

it("stay in memory where the disk turns out to have no room for them", async () => {
  breakDisk("ENOSPC");
  const budget = new KeepBudget(0);
  const keep = new Keep(budget);
  for (let i = 0; i < 3; i++) keep.push(block(i));
  await keep.written;
  expect(firsts(keep, 3)).toEqual([0, 1, 2]);
  expect([keep.memoryBytes, budget.usedBytes]).toEqual([3 * blockBytes, 3 * blockBytes]);
  keep.release();
  expect(budget.usedBytes).toBe(0);
});

it("fail what comes next where the disk is broken", async () => {
  breakDisk("EIO");
  const keep = new Keep(new KeepBudget(0));
  keep.push(block(1));
  await keep.written;
  expect(keep.at(0)).toEqual(block(1));
  expect(() => {
    keep.push(block(2));
  }).toThrow("EIO");
  keep.release();
});

it("may be let go of while they are written", async () => {
  const budget = new KeepBudget(0);
  const keep = new Keep(budget);
  for (let i = 0; i < 20; i++) keep.push(block(i));
  keep.release();
  await keep.written;
  expect([keep.memoryBytes, budget.usedBytes, budget.unwrittenBytes]).toEqual([0, 0, 0]);
});
