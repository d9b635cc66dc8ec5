/** Long reductions to few results are cut into parts, and come to what the reference backend computes. */
import type { Program, Tensor, TensorData } from "@weft/tensor";
import { schedule, sizeOf, trace } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { expect, it } from "vitest";
import { createBackend } from "../src/backend.ts";
import { reductionKernels } from "../src/loops/splitReduction.ts";
import { randomFloats } from "./randomData.ts";

type Fn = (x: Tensor, y: Tensor) => Tensor | Tensor[];

const cases: Readonly<Record<string, { readonly fn: Fn; readonly x: number[]; readonly y?: number[] }>> = {
  "a sum of everything": { fn: (x) => x.mul(x).sum(), x: [300, 1000] },
  "a maximum of everything": { fn: (x) => x.abs().max(), x: [300_000] },
  "column sums of a tall matrix": { fn: (x) => x.sum({ axis: 0 }), x: [20_000, 12] },
  "row sums of a wide matrix": { fn: (x) => x.exp().sum({ axis: 1 }), x: [3, 80_000] },
  "sums over outer and inner axes": { fn: (x) => x.mul(3).sum({ axis: [0, 2] }), x: [100, 5, 700] },
  "where the largest lies": { fn: (x) => x.argmax({ axis: 0 }), x: [120_000, 3] },
  "a product and its sums": {
    fn: (x, y) => {
      const product = x.mul(y);
      return [product, product.sum({ axis: 0 })];
    },
    x: [30_000, 6],
    y: [30_000, 1],
  },
};

const compile = ({ fn, x, y = [1] }: (typeof cases)[string]): { program: Program; inputs: Float32Array[] } => ({
  program: trace(
    (a, b) => fn(a, b),
    [x, y].map((shape) => ({ shape, dtype: "f32" })),
  ),
  inputs: [x, y].map((shape, i) => randomFloats(sizeOf(shape), i + 1)),
});

const backends = [1, 2].map((threads) => createBackend({ threads, worthMs: 0 }));

for (const [name, each] of Object.entries(cases)) {
  it(`${name}: many tiles, the reference's values, the same bits on two threads`, () => {
    const { program, inputs } = compile(each);
    const reductions = schedule(program).steps.flatMap((step) =>
      step.kind === "loop" && step.loop.results.some(({ reduce }) => reduce)
        ? [reductionKernels(step.loop, { relaxed: false })]
        : [],
    );
    expect(reductions.some((kernels) => "kernels" in kernels && kernels.kernels[0]!.source.tiles > 1)).toBe(true);
    const [got, ...others] = backends.map((backend) => backend.compile(program).run(inputs) as TensorData[]);
    for (const other of others) expect(other).toEqual(got);
    const want = createReferenceBackend().compile(program).run(inputs) as TensorData[];
    want.forEach((values, output) => {
      const scale = 1e-4 * Math.max(1, ...values.slice(0, 100).map(Math.abs));
      values.forEach((value, i) => {
        expect(Math.abs(got![output]![i]! - value)).toBeLessThanOrEqual(scale);
      });
    });
  });
}

it("a reduction that cannot be cut evenly stays one kernel", () => {
  const { program } = compile({ fn: (x) => x.sum(), x: [1_000_003] });
  const [step] = schedule(program).steps;
  if (step?.kind !== "loop") throw new Error("expected a loop");
  expect(reductionKernels(step.loop, { relaxed: false })).toMatchObject({ tiles: 1 });
});
