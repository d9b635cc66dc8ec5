/** Examples that the coordinator serves, fetched once whoever asks for them. */
import { expect, test } from "vitest";
import { ExampleStore } from "../src/exampleStore.ts";
import { contract } from "./testJob.ts";

/** What the coordinator answers: of example i the values i, i + 1/4, i + 1/2 and the target −i. */
function answerTo(indices: Uint32Array): Uint8Array {
  const x = [...indices].flatMap((i) => [i, i + 0.25, i + 0.5]);
  return new Uint8Array(Float32Array.from([...x, ...[...indices].map((i) => -i)]).buffer);
}

test("what two orders ask for at once has one row each, and every row holds its example", async () => {
  const store = new ExampleStore(contract);
  const asked: number[] = [];
  const fetch = async (indices: Uint32Array) => {
    asked.push(...indices);
    await Promise.resolve();
    return answerTo(indices);
  };
  const wanted = [Uint32Array.of(3, 5, 8), Uint32Array.of(5, 8, 13), Uint32Array.of(21, 3)];
  const found = await Promise.all(wanted.map((indices) => store.rows(indices, fetch)));
  expect(asked.toSorted((a, b) => a - b)).toEqual([3, 5, 8, 13, 21]);
  for (const [order, { dataset, rows }] of found.entries()) {
    expect([...rows].map((row) => dataset.columns[1]![row])).toEqual([...wanted[order]!].map((index) => -index));
    expect(Math.max(...rows)).toBeLessThan(dataset.size);
  }
});

test("a fetch that fails is told to whoever asked, and the next asks for itself", async () => {
  const store = new ExampleStore(contract);
  const broken = store.rows(Uint32Array.of(1, 2), () => Promise.reject(new Error("the session ended")));
  const next = store.rows(Uint32Array.of(2), (indices) => Promise.resolve(answerTo(indices)));
  await expect(broken).rejects.toThrow("the session ended");
  expect((await next).dataset.columns[1]![0]).toBe(-2);
});
