/** Loops over the same rows in one kernel: which are joined, and that no bit depends on it. */
import type { Program, Tensor, TensorData } from "@weft/tensor";
import { logSoftmax, relu, scan, schedule, softmax, trace } from "@weft/tensor";
import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { createBackend } from "../src/backend.ts";
import { compilePlan } from "../src/compile.ts";
import { Engine } from "../src/engine.ts";
import type { Kernel, LoopSource } from "../src/kernel.ts";
import type { KernelTable } from "../src/kernelTable.ts";
import { kernelTable } from "../src/kernelTable.ts";
import { joinLoops } from "../src/loops/joinedLoops.ts";
import type { Plan, PlanStep } from "../src/plan.ts";
import { moveSteps } from "../src/plan.ts";
import { randomFloats } from "./randomData.ts";

const together = kernelTable({ relaxed: false });
/** Kernels that do not tell which loop they carry out stay by themselves. */
function silent<K extends Kernel>(kernel: K): K {
  const copy: K & { loop?: LoopSource } = { ...kernel };
  delete copy.loop;
  return copy;
}
const apart: KernelTable = {
  ...together,
  loop: (loop) => {
    const made = together.loop(loop);
    if (!("kernels" in made)) return silent(made);
    return { ...made, kernels: made.kernels.map(({ source, buffers }) => ({ source: silent(source), buffers })) };
  },
};
const engine = new Engine();

function run(plan: Plan, inputs: readonly Float32Array[]): TensorData[] {
  const base = engine.regions.allocate(plan.bytes);
  const { calls, release } = engine.bind(moveSteps(plan.steps, (address) => address + base));
  for (const { offset, data } of plan.literals) engine.write(base + offset, data);
  inputs.forEach((data, i) => engine.write(base + plan.inputs[i]!.offset, data));
  for (const call of calls) call();
  const results = plan.outputs.map((output) => engine.read({ ...output, offset: output.offset + base }));
  release();
  engine.regions.release(base, plan.bytes);
  return results;
}

const traced = (fn: (x: Tensor) => Tensor | Tensor[], shape: readonly number[]): Program =>
  trace(fn, [{ shape, dtype: "f32" }]);
const sizeOf = (shape: readonly number[]) => shape.reduce((size, n) => size * n, 1);

function layerNorm(x: Tensor): Tensor {
  const centred = x.sub(x.mean({ axis: -1, keepDims: true }));
  return centred.div(centred.mul(centred).mean({ axis: -1, keepDims: true }).add(1e-5).sqrt());
}

describe("loops over the same rows", () => {
  const cases: Readonly<Record<string, { fn: (x: Tensor) => Tensor; shape: number[] }>> = {
    "a softmax": { fn: (x) => softmax(x), shape: [300, 33] },
    "a softmax of long rows": { fn: (x) => softmax(x), shape: [17, 5003] },
    "a softmax over four axes with a mask": {
      fn: (x) => softmax(x.add(x.slice([0], [1, 1]))),
      shape: [4, 8, 16, 20],
    },
    "a logarithm of softmax": { fn: (x) => logSoftmax(x), shape: [64, 64] },
    "a normalisation and what follows it": { fn: (x) => relu(layerNorm(x)).add(x), shape: [257, 48] },
  };
  for (const [name, { fn, shape }] of Object.entries(cases)) {
    it(`of ${name} are one kernel, and its bits are those of the loops one by one, on any number of threads`, () => {
      const program = traced(fn, shape);
      const plan = compilePlan(program, { kernels: together });
      const single = compilePlan(program, { kernels: apart });
      expect(plan.steps).toHaveLength(1);
      expect(single.steps.length).toBeGreaterThan(1);
      const x = randomFloats(sizeOf(shape), 7);
      const want = run(single, [x]);
      expect(run(plan, [x])).toEqual(want);
      const threaded = createBackend({ threads: 3, worthMs: 0, relaxed: false });
      expect(threaded.compile(program).run([x])).toEqual(want);
      threaded.dispose();
    });
  }

  it("are joined in the body of a scan, where they read and write slices", () => {
    const step = (carry: Tensor, x: Tensor): [Tensor, Tensor] => {
      const next = softmax(carry.add(x));
      return [next, layerNorm(next)];
    };
    const program = traced((x) => scan(step, x.slice([0], [1]).reshape([40, 24]), x).flat(), [5, 40, 24]);
    const bodyOf = (plan: Plan) => plan.steps.flatMap((each) => (each.kind === "repeat" ? each.steps : []));
    const [plan, single] = [together, apart].map((kernels) => compilePlan(program, { kernels })) as [Plan, Plan];
    expect(bodyOf(plan).length).toBeLessThan(bodyOf(single).length);
    const x = randomFloats(5 * 40 * 24, 3);
    expect(run(plan, [x])).toEqual(run(single, [x]));
  });
});

describe("loops stay by themselves", () => {
  const cases: Readonly<Record<string, (x: Tensor) => Tensor | Tensor[]>> = {
    "where a row needs another one's result": (x) => x.sub(x.max({ axis: 1, keepDims: true }).flip(0)),
    "where a row needs all rows": (x) => x.exp().sub(x.exp().sum({ axis: 0, keepDims: true })),
    "where they have nothing in common": (x) => [
      x.slice([0], [16]).sum({ axis: 1 }),
      x.slice([16], [32, 12]).sum({ axis: 1 }),
    ],
  };
  for (const [name, fn] of Object.entries(cases)) {
    it(name, () => {
      const program = traced(fn, [40, 24]);
      const [plan, single] = [together, apart].map((kernels) => compilePlan(program, { kernels })) as [Plan, Plan];
      expect(plan.steps.length).toBeGreaterThan(1);
      expect(plan.steps).toHaveLength(single.steps.length);
    });
  }
});

it("loops that use the same bytes for different rows stay by themselves", () => {
  const [loop] = schedule(traced((x) => x.max({ axis: 1 }), [40, 24])).steps;
  if (loop?.kind !== "loop") throw new Error("expected a loop");
  const source = together.loop(loop.loop);
  if ("kernels" in source) throw new Error("expected one kernel");
  const step = (...pointers: number[]): PlanStep => ({ kind: "kernel", source, scratch: 0, pointers });
  const joins = (other: PlanStep) => joinLoops([step(64, 8192), other]).length === 1;
  expect(joins(step(64, 8192 + 4 * 40))).toBe(true);
  expect(joins(step(64, 8192 + 4))).toBe(false);
  expect(joins(step(64, 64 + 4 * 24))).toBe(false);
  expect(joins(step(64 + 4 * 24, 16384))).toBe(false);
});

const sameBits = (got: readonly TensorData[], want: readonly TensorData[]) =>
  got.every((values, i) => Buffer.compare(Buffer.from(values.buffer), Buffer.from(want[i]!.buffer)) === 0);

/** Each keeps the shape; some within rows, some across them. */
const links: readonly ((x: Tensor, y: Tensor) => Tensor)[] = [
  (x, y) => x.add(y),
  (x) => x.tanh(),
  (x, y) => softmax(x.sub(y)),
  (x) => layerNorm(x),
  (x, y) => x.sub(y.max({ axis: 1, keepDims: true })),
  (x, y) => x.flip(0).add(y.sum({ axis: 1, keepDims: true })),
  (x, y) => x.mul(y.mean({ axis: 0, keepDims: true })),
  (x, y) => x.flip(1).sub(y),
  (x) => x.transpose().reshape(x.shape),
  (x, y) =>
    x
      .reshape([x.shape[0]! / 2, 2 * x.shape[1]!])
      .add(y.reshape([x.shape[0]! / 2, 2 * x.shape[1]!]).max({ axis: 1, keepDims: true }))
      .reshape(x.shape),
];

const isJoinedInTiles = (step: PlanStep) =>
  step.kind === "kernel" && step.source.tiles > 1 && "key" in step.source && step.source.key.startsWith("loops");

it("chains of loops, within rows and across them, give the same bits joined and apart", () => {
  const link = fc.record({ which: fc.nat(links.length - 1), left: fc.nat(7), right: fc.nat(7) });
  const chain = fc.record({
    rows: fc.constantFrom(16, 32, 64),
    columns: fc.integer({ min: 1, max: 300 }),
    chain: fc.array(link, { minLength: 2, maxLength: 7 }),
  });
  let joined = 0;
  fc.assert(
    fc.property(chain, ({ rows, columns, chain: steps }) => {
      const program = traced(
        (x) => {
          const made = [x];
          for (const { which, left, right } of steps) {
            made.push(links[which]!(made[left % made.length]!, made[right % made.length]!));
          }
          return made.slice(-2);
        },
        [rows, columns],
      );
      const [plan, single] = [together, apart].map((kernels) => compilePlan(program, { kernels })) as [Plan, Plan];
      if (plan.steps.some(isJoinedInTiles)) joined++;
      const x = randomFloats(rows * columns, columns);
      expect(sameBits(run(plan, [x]), run(single, [x]))).toBe(true);
    }),
    { numRuns: 80, seed: 1 },
  );
  expect(joined).toBeGreaterThan(15);
});
