/** Alone in its process, so that no garbage of others is given back while memory is looked at. */
import { expect, test } from "vitest";
import { ModelMemory } from "../src/model/modelMemory.ts";

test("the memory of sums is taken from the system beforehand, in turns of the event loop, and what it holds stays", async () => {
  const elements = 2 ** 23;
  const room = new ModelMemory(elements);
  const sums = room.sums();
  const bytes = sums.reduce((total, slab) => total + slab.bytes, 0);
  const [{ buffer, start }] = sums as [(typeof sums)[0]];
  new Uint8Array(buffer, start, 3).set([7, 8, 9]);
  const before = process.memoryUsage.rss();
  let turns = 0;
  const counting = setInterval(() => (turns += 1), 0);
  await room.touch();
  clearInterval(counting);
  expect(process.memoryUsage.rss() - before).toBeGreaterThan(0.9 * bytes);
  expect(turns).toBeGreaterThan(1);
  expect(new Uint8Array(buffer, start, 3)).toEqual(Uint8Array.of(7, 8, 9));
  const touched = process.memoryUsage.rss();
  await room.touch();
  expect(process.memoryUsage.rss() - touched).toBeLessThan(0.1 * bytes);
});
