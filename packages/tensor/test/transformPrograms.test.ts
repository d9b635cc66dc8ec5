/** Transformations in and of Programs: one that came as bytes is differentiated, batched and looped like any function. */
import type { Tensor } from "@weft/tensor";
import { ShapeError, apply, grad, scan, softmax, tensor, trace, valueAndGrad, vmap } from "@weft/tensor";
import { decode, describe as textOf, encode } from "@weft/tensor/programs";
import { describe, expect, it } from "vitest";

const values = (x: Tensor) => [...x.dataSync()];
const f32 = (...shape: number[]) => ({ shape, dtype: "f32" as const });

function expectClose(got: Tensor, want: Tensor, digits = 5): void {
  expect(got.shape).toEqual(want.shape);
  values(got).forEach((value, i) => expect(value).toBeCloseTo(values(want)[i] ?? NaN, digits));
}

const w = tensor([
  [0.5, -0.25],
  [0.75, 1],
  [-1, 0.125],
]);
const xs = tensor([
  [1, 2, 3],
  [-1, 0.5, 2],
  [0, 1, -2],
  [3, -1, 0.5],
]);

/** Of one example. */
const loss = (weights: Tensor, x: Tensor) =>
  softmax(x.matmul(weights))
    .at(0)
    .log()
    .neg()
    .mul(tensor([1, 2]).sum());

describe("a Program that came as bytes", () => {
  const program = decode(encode(trace(loss, [f32(3, 2), f32(3)])));
  const travelled = (weights: Tensor, x: Tensor) => apply(program, [weights, x])[0] as Tensor;

  it("is differentiated like the function it came from", () => {
    const [value, gradient] = valueAndGrad(travelled)(w, xs.at(0));
    const [expected, wanted] = valueAndGrad(loss)(w, xs.at(0));
    expectClose(value, expected);
    expectClose(gradient, wanted);
  });

  it("gives per-example gradients", () => {
    const got = vmap(grad(travelled), { in: [null, 0] })(w, xs);
    expect(got.shape).toEqual([4, 3, 2]);
    expectClose(got.at(2), grad(loss)(w, xs.at(2)));
  });

  it("is batched and then differentiated", () => {
    const total = (weights: Tensor) => vmap(travelled, { in: [null, 0] })(weights, xs).sum();
    expectClose(grad(total)(w), vmap(grad(loss), { in: [null, 0] })(w, xs).sum({ axis: 0 }));
  });

  it("is traced again to the same text", () => {
    expect(textOf(trace((...inputs) => apply(program, inputs), program.inputs))).toBe(textOf(program));
  });

  it("refuses operands of other types", () => {
    expect(() => apply(program, [w, xs])).toThrow(ShapeError);
    expect(() => apply(program, [w, xs])).toThrow(/takes \(f32\[3,2\], f32\[3\]\), got \(f32\[3,2\], f32\[4,3\]\)/);
  });
});

describe("training inside a loop", () => {
  const trainedBy = (rate: Tensor, start: Tensor) => {
    const step = (weights: Tensor, x: Tensor) => {
      const [value, gradient] = valueAndGrad(loss)(weights, x);
      return [weights.sub(gradient.mul(rate)), value] as const;
    };
    return scan(step, start, xs);
  };

  const writtenOut = (rate: Tensor) => {
    let weights = w;
    for (let i = 0; i < 4; i++) weights = weights.sub(grad(loss)(weights, xs.at(i)).mul(rate));
    return weights;
  };

  it("equals the steps written out", () => {
    expectClose(trainedBy(tensor(0.1), w)[0], writtenOut(tensor(0.1)));
  });

  it("is differentiated by the learning rate, and batched over learning rates", () => {
    const looped = (rate: Tensor) => loss(trainedBy(rate, w)[0], xs.at(1));
    const unrolled = (rate: Tensor) => loss(writtenOut(rate), xs.at(1));
    const slopes = vmap(grad(looped))(tensor([0.1, 0.2, 0.3]));
    [0.1, 0.2, 0.3].forEach((rate, i) => {
      expectClose(slopes.at(i), grad(unrolled)(tensor(rate)), 4);
    });
  });

  it("keeps batched and shared operands apart", () => {
    const states = vmap((start: Tensor) => trainedBy(tensor(0.1), start)[0])(
      w.expandDims(0).mul(tensor([1, 2]).reshape([2, 1, 1])),
    );
    expectClose(states.at(0), trainedBy(tensor(0.1), w)[0]);
    expectClose(states.at(1), trainedBy(tensor(0.1), w.mul(2))[0]);
  });

  it("reads tensors from outside once, not in every step", () => {
    const program = trace(
      (scale, rows) => {
        const step = (c: Tensor, x: Tensor) => [c.add(x.mul(scale.exp())), undefined] as const;
        return scan(step, rows.at(0), rows)[0];
      },
      [f32(), f32(5, 3)],
    );
    expect(textOf(program)).toMatchInlineSnapshot(`
      "%0 f32[] = input
      %1 f32[5,3] = input
      %2 f32[] = exp %0
      %3 f32[1,3] = slice %1 {start: [0, 0], stop: [1, 3], step: [1, 1]}
      %4 f32[3] = reshape %3
      %5 f32[3] = scan %2 %4 %1 {length: 5, constants: 1, carry: 1}
        %0 f32[] = input
        %1 f32[3] = input
        %2 f32[3] = input
        %3 f32[3] = broadcast %0
        %4 f32[3] = mul %2 %3
        %5 f32[3] = add %1 %4
        return %5
      return %5"
    `);
  });
});
