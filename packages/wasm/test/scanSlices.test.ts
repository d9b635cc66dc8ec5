/** Loops whose kernels work on the slices of the loop's operands and results where they lie, and those that cannot. */
import type { Program, Tensor, TensorData } from "@weft/tensor";
import { concat, grad, scan, trace } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { afterAll, expect, it } from "vitest";
import { createBackend } from "../src/backend.ts";
import { compilePlan } from "../src/compile.ts";
import { kernelTable } from "../src/kernelTable.ts";
import type { PlanStep } from "../src/plan.ts";
import { randomFloats } from "./randomData.ts";

const backends = [1, 2, 3].map((threads) => createBackend({ threads, worthMs: 0 }));
afterAll(() => {
  for (const backend of backends) backend.dispose();
});

/** A recurrent network over [steps, batch, features], summed with weights, and its gradients. */
function recurrentLoss(xs: Tensor, weights: Tensor, reverse: boolean): Tensor {
  const step = (state: Tensor, x: Tensor) => {
    const next = concat([x, state], 1).matmul(weights).tanh();
    return [next, next.mul(x.at(null, [0, next.shape[1]!]))] as const;
  };
  const start = xs.at(0, null, [0, weights.shape[1]!]);
  const [last, all] = scan(step, start, xs, { reverse });
  return all.square().sum().add(last.sum());
}

const program = (features: number, reverse: boolean): Program =>
  trace(
    grad((xs: Tensor, weights: Tensor) => recurrentLoss(xs, weights, reverse), { argument: [0, 1] }),
    [
      { shape: [7, 5, features], dtype: "f32" },
      { shape: [2 * features, features], dtype: "f32" },
    ],
  );

const repeats = (steps: readonly PlanStep[]) => steps.filter((step) => step.kind === "repeat");

it("gradients of a loop are those of the reference, with slices of any size and on any number of threads", () => {
  for (const features of [1, 3, 6, 32]) {
    for (const reverse of [false, true]) {
      const inputs = [randomFloats(7 * 5 * features, 1), randomFloats(2 * features * features, 2)];
      const compiled = program(features, reverse);
      const [want] = [createReferenceBackend().compile(compiled).run(inputs) as TensorData[]];
      const results = backends.map((backend) => {
        const executable = backend.compile(compiled);
        const first = executable.run(inputs) as TensorData[];
        expect(executable.run(inputs)).toEqual(first);
        executable.dispose();
        return first;
      });
      for (const result of results) expect(result).toEqual(results[0]);
      want.forEach((values, i) => {
        const largest = Math.max(...values.map(Math.abs));
        values.forEach((value, at) => expect(Math.abs(results[0]![i]![at]! - value)).toBeLessThan(1e-5 * largest));
      });
    }
  }
});

it("nothing is copied in the turns of a recurrent network and of its gradient", () => {
  const plan = compilePlan(program(32, false), { kernels: kernelTable({ relaxed: false }) });
  const loops = repeats(plan.steps);
  expect(loops).toHaveLength(2);
  for (const { before, after } of loops) expect([...before, ...after]).toEqual([]);
});

it("slices that a loop hands through, or that another loop reads, are copied", () => {
  const nested = (xs: Tensor): readonly [Tensor, readonly [Tensor, Tensor]] =>
    scan(
      (total: Tensor, rows: Tensor) => {
        const [sum, sums] = scan((inner: Tensor, row: Tensor) => [inner.add(row), inner] as const, total, rows);
        return [sum, [sums, rows] as const] as const;
      },
      xs.at(0, 0),
      xs,
    );
  const compiled = trace(
    (xs: Tensor) => {
      const [last, [sums, rows]] = nested(xs);
      return [last, sums, rows];
    },
    [{ shape: [3, 4, 6], dtype: "f32" }],
  );
  const [outer] = repeats(compilePlan(compiled, { kernels: kernelTable({ relaxed: false }) }).steps);
  expect(outer?.before).toHaveLength(1);
  expect(outer?.after).not.toEqual([]);
  const inputs = [randomFloats(72, 3)];
  const want = createReferenceBackend().compile(compiled).run(inputs);
  for (const backend of backends) expect(backend.compile(compiled).run(inputs)).toEqual(want);
});
