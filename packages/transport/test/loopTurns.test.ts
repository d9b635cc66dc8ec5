/** Long work in slices: who has a turn when. */
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { LoopTurns } from "@weft/transport";

/** A piece of work of so many slices, each of which takes its time by a clock of the test's own. */
async function work(turns: LoopTurns, slices: number, slice: (index: number) => void): Promise<void> {
  for (let index = 0; index < slices; index++) {
    await turns.next();
    slice(index);
    // As where an asynchronous function lies between.
    await Promise.resolve();
    await Promise.resolve();
  }
}

test("slices of everything under way take turns in the order of asking, a few milliseconds of each turn of the event loop", async () => {
  let nowMs = 0;
  const turns = new LoopTurns(() => nowMs);
  const log: string[] = [];
  const finish = { isOver: false };
  const pieces = ["a", "b", "c"].map((name) =>
    work(turns, 4, (index) => {
      log.push(`${name}${index}`);
      nowMs += 1;
    }),
  );
  void Promise.all(pieces).then(() => (finish.isOver = true));
  const byTurn: string[][] = [];
  while (!finish.isOver) {
    await setImmediate();
    byTurn.push(log.splice(0));
  }
  expect(byTurn.flat()).toEqual([0, 1, 2, 3].flatMap((index) => ["a", "b", "c"].map((name) => `${name}${index}`)));
  expect(byTurn.filter((slices) => slices.length > 0).map(({ length }) => length)).toEqual([3, 3, 3, 3]);
});

test("a slice longer than a turn is followed by others in the turns after", async () => {
  let nowMs = 0;
  const turns = new LoopTurns(() => nowMs);
  let slices = 0;
  const piece = work(turns, 3, () => {
    slices += 1;
    nowMs += 100;
  });
  for (const expected of [1, 2, 3]) {
    await setImmediate();
    expect(slices).toBe(expected);
  }
  await piece;
});
