/** The choice between one thread and all follows the times it is told. */
import { expect, it } from "vitest";
import { FasterWay } from "../src/threads/fasterWay.ts";

/** Tells `way` of `runs` runs that take so long; returns how many were divided. */
function run(way: FasterWay, runs: number, ms: { readonly whole: number; readonly divided: number }): number {
  let divided = 0;
  for (let i = 0; i < runs; i++) {
    if (way.divided) divided++;
    way.took(way.divided ? ms.divided : ms.whole);
  }
  return divided;
}

it("a kernel that gains from threads gets them but for rare trials of the other way", () => {
  const way = new FasterWay(0.05);
  expect(run(way, 1000, { whole: 2, divided: 1 })).toBeGreaterThan(985);
});

it("a kernel that threads slow down stays on one", () => {
  const way = new FasterWay(0.05);
  expect(run(way, 1000, { whole: 1, divided: 2 })).toBeLessThan(15);
});

it("a kernel too short to be divided is not even tried, once its code is warm", () => {
  const way = new FasterWay(0.05);
  run(way, 2, { whole: 0.5, divided: 0.3 });
  run(way, 200, { whole: 0.01, divided: 0.005 });
  expect(run(way, 1000, { whole: 0.01, divided: 0.005 })).toBe(0);
});

it("on a busy machine, where the slowest thread mostly comes late, kernels stay on one", () => {
  const way = new FasterWay(0.05);
  let divided = 0;
  for (let i = 0; i < 1000; i++) {
    if (way.divided) divided++;
    way.took(way.divided ? (i % 2 === 0 ? 1 : 14) : i % 3 === 0 ? 7 : 2);
  }
  expect(divided).toBeLessThan(200);
});

it("the choice follows when other programs take the second core, and when they give it back", () => {
  const way = new FasterWay(0.05);
  run(way, 500, { whole: 2, divided: 1 });
  run(way, 100, { whole: 2, divided: 4 });
  expect(way.divided).toBe(false);
  run(way, 600, { whole: 2, divided: 1 });
  expect(way.divided).toBe(true);
});

it("one interrupted run does not take a kernel from all threads, and a bad start is put right within a few runs", () => {
  const way = new FasterWay(0.05);
  run(way, 20, { whole: 0.083, divided: 0.043 });
  for (let i = 0; !way.divided; i++) expect(i).toBeLessThan(1);
  way.took(4);
  expect(run(way, 100, { whole: 0.083, divided: 0.043 })).toBeGreaterThan(90);

  const late = new FasterWay(0.05);
  late.took(2);
  late.took(100); // the threads were still asleep
  expect(run(late, 40, { whole: 2, divided: 1 })).toBeGreaterThan(25);
});
