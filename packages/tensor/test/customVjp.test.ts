/** Functions that bring their own gradient. */
import type { Tensor } from "@weft/tensor";
import { ShapeError, TraceError, apply, customVjp, grad, scan, tensor, trace, vmap } from "@weft/tensor";
import { decode, encode } from "@weft/tensor/programs";
import { describe, expect, it } from "vitest";

const values = (x: Tensor) => [...x.dataSync()];
const near = (x: Tensor, want: readonly number[]) => {
  expect(x.size).toBe(want.length);
  values(x).forEach((value, i) => expect(value).toBeCloseTo(want[i] ?? NaN, 4));
};

const straightThrough = customVjp(
  (x: Tensor) => x.round(),
  (dy) => [dy],
);
/** w·x with the gradient by w halved, and that by x as it is. */
const halved = customVjp(
  (w: Tensor, x: Tensor) => w.mul(x).sum(),
  (dy: Tensor, { args: [w, x] }) => [x.mul(dy).mul(0.5), w.mul(dy)],
);
/** √x from its result, as gradients often are. */
const root = customVjp(
  (x: Tensor) => x.sqrt(),
  (dy, { result }) => [dy.div(result.mul(2))],
);

describe("customVjp", () => {
  it("computes the function, and the gradient that was given for it", () => {
    expect(values(straightThrough(tensor([1.4, 2.6])))).toEqual([1, 3]);
    near(grad((x: Tensor) => straightThrough(x).square().sum())(tensor([1.4, 2.6])), [2, 6]);
    near(grad(halved)(tensor([1, 2]), tensor([3, 4])), [1.5, 2]);
    near(grad(halved, { argument: 1 })(tensor([1, 2]), tensor([3, 4])), [1, 2]);
  });

  it("is differentiated again through the gradient that was given", () => {
    near(grad((x: Tensor) => grad((y: Tensor) => root(y).sum())(x).sum())(tensor([4])), [-1 / 32]);
    const third = (x: Tensor) => grad((y: Tensor) => grad((z: Tensor) => root(z).sum())(y).sum())(x).sum();
    near(grad(third)(tensor([4])), [(3 / 8) * 4 ** -2.5]);
  });

  it("keeps its gradient in a Program that came as bytes", () => {
    const program = decode(encode(trace((x) => straightThrough(x).square().sum(), [{ shape: [2], dtype: "f32" }])));
    near(grad((x: Tensor) => apply(program, [x])[0] as Tensor)(tensor([1.4, 2.6])), [2, 6]);
  });

  it("is batched with shared and with separate operands, inside and outside of a gradient", () => {
    const [w, xs] = [
      tensor([1, 2]),
      tensor([
        [3, 4],
        [5, 6],
        [7, 8],
      ]),
    ];
    near(vmap(grad(halved), { in: [null, 0] })(w, xs), [1.5, 2, 2.5, 3, 3.5, 4]);
    const total = (weights: Tensor, rows: Tensor) => vmap(halved, { in: [null, 0] })(weights, rows).sum();
    near(grad(total)(w, xs), [7.5, 9]);
    near(grad(total, { argument: 1 })(w, xs), [1, 2, 1, 2, 1, 2]);
    const twice = (x: Tensor) => grad((y: Tensor) => root(y).sum())(x);
    near(vmap((x: Tensor) => twice(x.expandDims(0)).sum())(tensor([1, 4])), [0.5, 0.25]);
  });

  it("works in a loop", () => {
    const looped = (x: Tensor) => scan((c: Tensor) => [root(c), undefined] as const, x, undefined, { length: 3 })[0];
    near(grad(looped)(tensor(256)), [(1 / 8) * 256 ** (-7 / 8)]);
  });

  it("takes trees, integers and tensors from outside, which count as constants", () => {
    const scale = tensor([2, 3]);
    const picked = (outer: Tensor) =>
      customVjp(
        (p: { w: Tensor; b: Tensor }, i: Tensor) => ({ y: p.w.mul(scale).add(p.b), i: i.add(1), o: outer.mul(2) }),
        ({ y }, { args: [p] }) => [{ w: y.mul(scale).mul(10), b: p.b.mul(y) }, undefined],
      );
    const loss = (p: { w: Tensor; b: Tensor }, outer: Tensor) => {
      const { y, i, o } = picked(outer)(p, tensor(1, { dtype: "i32" }));
      return y.sum().mul(i.cast("f32")).add(o.sum());
    };
    const p = { w: tensor([1, 1]), b: tensor([4, 5]) };
    const { w, b } = grad(loss)(p, tensor(1));
    near(w, [40, 60]);
    near(b, [8, 10]);
    near(grad(loss, { argument: 1 })(p, tensor(1)), [0]);
  });

  it("says which cotangent does not fit", () => {
    const x = tensor([1, 2]);
    const wrong = (flow: (dy: Tensor) => unknown) => () =>
      customVjp((y: Tensor) => y.sum(), flow as (dy: Tensor) => [Tensor])(x);
    expect(wrong((dy) => [dy])).toThrow(ShapeError);
    expect(wrong((dy) => [dy])).toThrow(/f32\[2\], got f32\[\]/);
    expect(wrong((dy) => [[dy]])).toThrow(/structure of its argument, \*, got \[\*\]/);
    expect(wrong(() => [])).toThrow(TraceError);
  });
});
