/** What grad, vmap and scan promise as functions: trees, closures, composition, clear refusals, graphs of any depth. */
import type { Tensor } from "@weft/tensor";
import {
  DTypeError,
  ShapeError,
  TraceError,
  grad,
  key,
  normal,
  placeholder,
  scan,
  splitKey,
  tensor,
  trace,
  uniform,
  valueAndGrad,
  valueAuxAndGrad,
  vmap,
} from "@weft/tensor";
import { cost, describe as textOf } from "@weft/tensor/programs";
import { describe, expect, it } from "vitest";

const values = (x: Tensor) => [...x.dataSync()];

describe("grad", () => {
  const x = tensor([1, 2, 3]);

  it("keeps tensors that the function closes over constant, even the argument itself", () => {
    expect(values(grad((y: Tensor) => y.mul(x).sum())(x))).toEqual([1, 2, 3]);
    expect(values(grad((y: Tensor) => y.mul(y).sum())(x))).toEqual([2, 4, 6]);
  });

  it("has the structure of its argument, and hands other arguments through", () => {
    const loss = ({ w, b }: { w: Tensor; b: readonly Tensor[] }, power: number) =>
      w
        .pow(power)
        .sum()
        .add(b[0]?.sum() ?? 0);
    const gradient = grad(loss)({ w: x, b: [tensor([5]), tensor(7)] }, 3);
    expect(values(gradient.w)).toEqual([3, 12, 27]);
    expect(gradient.b.map(values)).toEqual([[1], [0]]);
  });

  it("goes by any argument, or several", () => {
    const product = (a: Tensor, b: Tensor) => a.mul(b).sum();
    expect(values(grad(product, { argument: 1 })(x, tensor([4, 5, 6])))).toEqual([1, 2, 3]);
    const [da, db] = grad(product, { argument: [0, 1] })(x, tensor([4, 5, 6]));
    expect([values(da), values(db)]).toEqual([
      [4, 5, 6],
      [1, 2, 3],
    ]);
  });

  it("comes with the value, and with what the function computes besides", () => {
    const [value, gradient] = valueAndGrad((y: Tensor) => y.square().sum())(x);
    expect([value.itemSync(), values(gradient)]).toEqual([14, [2, 4, 6]]);
    const [, { squares }, same] = valueAuxAndGrad((y: Tensor) => [y.square().sum(), { squares: y.square() }] as const)(
      x,
    );
    expect([values(squares), values(same)]).toEqual([
      [1, 4, 9],
      [2, 4, 6],
    ]);
  });

  it("composes to any order", () => {
    const cube = (y: Tensor) => y.mul(y).mul(y);
    const third = grad(grad(grad(cube)));
    expect(third(tensor(5)).itemSync()).toBe(6);
  });

  it("is not cut where the function reads a value", () => {
    let seen: number[] = [];
    const gradient = grad((y: Tensor) => {
      const squares = y.mul(y);
      seen = values(squares);
      return squares.sum();
    })(x);
    expect([seen, values(gradient)]).toEqual([
      [1, 4, 9],
      [2, 4, 6],
    ]);
  });

  it("says what is wrong with a function that has none", () => {
    expect(() => grad((y: Tensor) => y.mul(2))(x)).toThrow(ShapeError);
    expect(() => grad((y: Tensor) => y.mul(2))(x)).toThrow(
      /expected the function to return a scalar, got f32\[3\].*sum\(\)/,
    );
    expect(() => grad((y: Tensor) => y.cast("i32").sum())(x)).toThrow(DTypeError);
    expect(() => grad((y: Tensor) => y.sum())(tensor([1], { dtype: "i32" }))).toThrow(/only floats have gradients/);
    expect(() => grad((y: { w: unknown }) => (y.w as Tensor).sum())({ w: 3 })).toThrow(/got 3 at \.w/);
    expect(() =>
      grad((y: Tensor, z: Tensor) => y.add(z), { argument: 1 })(...([x] as unknown as [Tensor, Tensor])),
    ).toThrow(TraceError);
  });

  it("does not overflow the stack on a graph of 100,000 operations", () => {
    const chain = (y: Tensor) => {
      let end = y;
      for (let i = 0; i < 100_000; i++) end = end.add(1);
      return end.sum();
    };
    const program = trace((y) => [grad(chain)(y), vmap(chain)(y)], [{ shape: [2], dtype: "f32" }]);
    expect(program.outputs.length).toBe(2);
  });
});

describe("trace", () => {
  it("keeps only what the outputs need", () => {
    const program = trace(
      (x, y) => {
        x.mul(y).exp();
        return x.add(y);
      },
      [
        { shape: [2], dtype: "f32" },
        { shape: [2], dtype: "f32" },
      ],
    );
    expect(textOf(program)).toBe("%0 f32[2] = input\n%1 f32[2] = input\n%2 f32[2] = add %0 %1\nreturn %2");
  });

  it("refuses an argument of another trace, saying so", () => {
    const stray = placeholder({ shape: [2], dtype: "f32" });
    expect(() => trace((x) => [x.add(stray)], [{ shape: [2], dtype: "f32" }])).toThrow(TraceError);
    expect(() => trace((x) => [x.add(stray)], [{ shape: [2], dtype: "f32" }])).toThrow(/another traced function/);
  });
});

describe("vmap", () => {
  const rows = tensor([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);

  it("maps trees along chosen axes, and shares what is marked null", () => {
    const fn = ({ a, b }: { a: Tensor; b: Tensor }, scale: number, shared: Tensor) =>
      a.mul(b).sum().mul(scale).add(shared);
    const got = vmap(fn, { in: [1, null, null] })({ a: rows.transpose(), b: rows.transpose() }, 2, tensor(1));
    expect(values(got)).toEqual([11, 51, 123]);
  });

  it("places the batch axis of each result where `out` says", () => {
    const [columns, same] = vmap((x: Tensor) => [x.mul(2), tensor(7)] as const, { out: [1, null] })(rows);
    expect([columns.shape, values(columns), same.shape]).toEqual([[2, 3], [2, 6, 10, 4, 8, 12], []]);
  });

  it("gives one gradient for each example", () => {
    const loss = (w: Tensor, x: Tensor) => w.mul(x).sum().square();
    const perExample = vmap(grad(loss), { in: [null, 0] })(tensor([1, 1]), rows);
    expect(values(perExample)).toEqual([6, 12, 42, 56, 110, 132]);
  });

  it("draws different random numbers for different keys", () => {
    const keys = splitKey(key(1), 3);
    const batched = vmap((k: Tensor) => normal(k, [4]))(keys);
    const alone = [0, 1, 2].map((i) => values(normal(keys.at(i), [4])));
    expect(values(batched)).toEqual(alone.flat());
    expect(values(vmap((x: Tensor) => uniform(key(3), [2]).add(x.mul(0)))(rows)).slice(0, 2)).toEqual(
      values(uniform(key(3), [2])),
    );
  });

  it("computes once what the examples share", () => {
    const program = trace(
      (w, x) => [vmap((row: Tensor) => row.mul(w.exp()), { in: [0] })(x)],
      [
        { shape: [2], dtype: "f32" },
        { shape: [3, 2], dtype: "f32" },
      ],
    );
    expect(textOf(program)).toContain("f32[2] = exp %0");
  });

  it("says what is wrong with its arguments", () => {
    const add = (x: Tensor, y: Tensor) => x.add(y);
    expect(() => vmap(add)(rows, tensor([[1, 2]]))).toThrow(/batch sizes differ, 3 and 1/);
    expect(() => vmap(add, { in: null })(rows, rows)).toThrow(/no argument has a batch axis/);
    expect(() => vmap(add, { in: [0, 2] })(rows, rows)).toThrow(/batch axis 2 is outside f32\[3,2\].*null/);
    expect(() => vmap(add, { out: null })(rows, rows)).toThrow(/marked as shared/);
  });
});

describe("scan", () => {
  const xs = tensor([1, 2, 3, 4]);

  it("hands the carry on and stacks the outputs, in either direction", () => {
    const step = (total: Tensor, x: Tensor) => [total.add(x), total] as const;
    const [sum, before] = scan(step, tensor(0), xs);
    expect([sum.itemSync(), values(before)]).toEqual([10, [0, 1, 3, 6]]);
    const [, after] = scan(step, tensor(0), xs, { reverse: true });
    expect(values(after)).toEqual([9, 7, 4, 0]);
  });

  it("runs a number of steps without slices, on trees, with an integer carry", () => {
    const [end] = scan(
      ({ x, n }: { x: Tensor; n: Tensor }) => [{ x: x.add(n.cast("f32")), n: n.add(1) }, undefined] as const,
      { x: tensor(0), n: tensor(0, { dtype: "i32" }) },
      undefined,
      { length: 5 },
    );
    expect([end.x.itemSync(), end.n.itemSync()]).toEqual([10, 5]);
  });

  it("equals the loop written out, in value and in gradient, by carry, slices and tensors closed over", () => {
    const cell = (w: Tensor) => (h: Tensor, x: Tensor) => [h.mul(w).add(x).tanh(), h.mul(x)] as const;
    const looped = (w: Tensor, h: Tensor, x: Tensor) => {
      const [last, outputs] = scan(cell(w.mul(2)), h, x);
      return last.add(outputs.square().sum());
    };
    const unrolled = (w: Tensor, h: Tensor, x: Tensor) => {
      let [state, total] = [h, tensor(0)];
      for (let i = 0; i < 4; i++) {
        const [next, output] = cell(w.mul(2))(state, x.at(i));
        [state, total] = [next, total.add(output.square())];
      }
      return state.add(total);
    };
    const operands = [tensor(0.3), tensor(0.5), xs.mul(0.25)] as const;
    const [value, gradients] = valueAndGrad(looped, { argument: [0, 1, 2] })(...operands);
    const [expected, wanted] = valueAndGrad(unrolled, { argument: [0, 1, 2] })(...operands);
    expect(value.itemSync()).toBeCloseTo(expected.itemSync(), 5);
    gradients.forEach((gradient, i) => {
      values(gradient).forEach((element, j) => expect(element).toBeCloseTo(values(wanted[i] as Tensor)[j] ?? NaN, 5));
    });
    const second = (fn: typeof looped) => grad((w: Tensor) => grad(fn)(w, operands[1], operands[2]))(operands[0]);
    expect(second(looped).itemSync()).toBeCloseTo(second(unrolled).itemSync(), 4);
  });

  it("runs its gradient without running the loop forward twice", () => {
    const last = (h: Tensor) => scan((c: Tensor, x: Tensor) => [c.mul(x), undefined] as const, h, xs)[0];
    const program = trace((h) => valueAndGrad(last)(h), [{ shape: [], dtype: "f32" }]);
    expect(textOf(program).match(/= scan/g)?.length).toBe(2);
    const alone = trace((h) => [last(h)], [{ shape: [], dtype: "f32" }]);
    expect(textOf(alone)).toContain("%2 f32[] = scan %0 %1 {length: 4, constants: 0, carry: 1}");
  });

  it("says what is wrong with its carry and lengths", () => {
    const keep = (c: Tensor, x: Tensor) => [c, x] as const;
    expect(() => scan(keep, tensor(0), { a: xs, b: tensor([1]) } as unknown as Tensor)).toThrow(
      /expected 4 steps.*f32\[1\]/,
    );
    expect(() => scan((c: Tensor) => [c, c] as const, tensor(0), undefined)).toThrow(/number of steps is not known/);
    expect(() => scan((c: Tensor, x: Tensor) => [c.add(xs), x] as const, tensor(0), xs)).toThrow(
      /carry 0 enters as f32\[\] and leaves as f32\[4\]/,
    );
    expect(() => scan((c: unknown) => [[c], c] as const, tensor(0) as unknown, xs)).toThrow(
      /enters as \* and leaves as \[\*\]/,
    );
  });
});

describe("cost", () => {
  it("counts multiply-adds twice and memory by what is alive", () => {
    const program = trace(
      (x, w) => [x.matmul(w).exp().sum()],
      [
        { shape: [2, 3], dtype: "f32" },
        { shape: [3, 4], dtype: "f32" },
      ],
    );
    expect(cost(program)).toEqual({
      flops: 48 + 8 + 8,
      peakBytes: 72 + 64,
      inputBytes: 72,
      literalBytes: 0,
      outputBytes: 4,
    });
  });

  it("multiplies a loop's body by its length", () => {
    const program = trace(
      (x) => [scan((c: Tensor, s: Tensor) => [c.add(s), undefined] as const, x.at(0), x)[0]],
      [{ shape: [10, 5], dtype: "f32" }],
    );
    expect(cost(program).flops).toBe(50);
  });
});
