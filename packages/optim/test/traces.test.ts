/** The optimisers, schedules and clips against PyTorch 1.13.0; see vectors/README.md. */
import { describe, expect, test } from "vitest";
import type { Schedule } from "@weft/optim";
import { clampGradients, globalNorm, limitNorm, scheduleValue } from "@weft/optim";
import { createOptimizer } from "@weft/optim/createOptimizer";
import { scalar, tensor } from "@weft/tensor";
import { clips, runTrace, scheduleOf, schedules, specOf, traces } from "./vectors.ts";

const apart = [[2, 2], [3]];

test("the vectors are all here", () => {
  expect([traces.length, schedules.length, clips.length]).toEqual([26, 10, 5]);
});

describe.each(traces)("$name", (trace) => {
  test("follows the trace in f64 to 1e-9", () => {
    runTrace(trace, apart, "f64").forEach((got, t) => {
      got.forEach((value, i) => {
        const wanted = trace.params[t]?.[i] ?? NaN;
        expect(Math.abs(value - wanted), `update ${t}, element ${i}`).toBeLessThanOrEqual(1e-9 * Math.abs(wanted));
      });
    });
  });

  test("follows the trace in f32 to 2e-5", () => {
    runTrace(trace, apart, "f32").forEach((got, t) => {
      got.forEach((value, i) => {
        const wanted = trace.params[t]?.[i] ?? NaN;
        expect(Math.abs(value - wanted)).toBeLessThanOrEqual(2e-5 * Math.max(1, Math.abs(wanted)));
      });
    });
  });
});

const byElement = traces.filter((trace) => createOptimizer(specOf(trace)).elementwise);

test.each(byElement)("$name gives the same bits for one flat vector", (trace) => {
  expect(runTrace(trace, [[7]], "f32")).toEqual(runTrace(trace, apart, "f32"));
});

test("22 of the traces are of rules that go by element", () => {
  expect(byElement.length).toBe(22);
});

describe.each(schedules)("schedule $name", (example) => {
  const valueAt = (step: number, dtype: "f32" | "f64") =>
    scheduleValue(scheduleOf(example) as Exclude<Schedule, { name: "adjustable" }>, {
      updates: scalar(step, { dtype: "i32" }),
      dtype,
    }).itemSync();

  test("agrees in f64 to 1e-9, in f32 to 1e-6", () => {
    example.lrs.forEach((wanted, step) => {
      // Where the rate reaches zero, PyTorch's own rounding is left: some 1e-18.
      expect(Math.abs(valueAt(step, "f64") - wanted), `update ${step}`).toBeLessThanOrEqual(1e-9 * wanted + 1e-16);
      expect(Math.abs(valueAt(step, "f32") - wanted), `update ${step}`).toBeLessThanOrEqual(1e-6 * wanted + 1e-16);
    });
  });
});

describe.each(clips)("$name", ({ kind, max, inputs, outputs, norm }) => {
  test.each(["f64", "f32"] as const)("agrees in %s", (dtype) => {
    const tolerance = dtype === "f64" ? 1e-9 : 2e-6;
    const gradients = inputs.map(({ data, shape }) => tensor([...data], { shape, dtype }));
    const clipped =
      kind === "value"
        ? clampGradients(gradients, max)
        : limitNorm(gradients, { maxNorm: max, epsilon: kind === "global_norm" ? 1e-6 : 0 });
    clipped.forEach((each, i) => {
      expect(each.shape).toEqual(outputs[i]?.shape);
      [...each.dataSync()].forEach((value, k) => {
        const wanted = outputs[i]?.data[k] ?? NaN;
        expect(Math.abs(value - wanted)).toBeLessThanOrEqual(tolerance * Math.abs(wanted));
      });
    });
    expect(Math.abs(globalNorm(gradients).itemSync() - norm)).toBeLessThanOrEqual(tolerance * norm);
  });
});
