/** The public operations: results, broadcasting, stability, and errors that say what to do. */
import type { Tensor } from "@weft/tensor";
import { concat, einsum, grad, matmul, stack, tensor } from "@weft/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const values = (x: Tensor) => [...x.dataSync()];
const near = (x: Tensor, want: readonly number[], digits = 6) => {
  const got = values(x);
  expect(got.length).toBe(want.length);
  got.forEach((value, i) => expect(value).toBeCloseTo(want[i]!, digits));
};
const f64 = (data: Parameters<typeof tensor>[0]) => tensor(data, { dtype: "f64" });
const x23 = tensor([
  [1, 2, 3],
  [4, 5, 6],
]);

describe("broadcasting", () => {
  it("aligns at the right and stretches ones, as numpy does", () => {
    expect(x23.add(tensor([[10], [20]])).shape).toEqual([2, 3]);
    expect(values(tensor([1, 2]).sub(tensor([[1], [2], [3]])))).toEqual([0, 1, -1, 0, -2, -1]);
    expect(tensor(1).add(x23).shape).toEqual([2, 3]);
  });

  it("gives numbers the dtype of the tensor that they meet", () => {
    expect(tensor([1, 2], { dtype: "i32" }).mul(3).dtype).toBe("i32");
    expect(f64([1]).add(0.1).dataSync()).toEqual(new Float64Array([1.1]));
    expect(() => tensor([1], { dtype: "i32" }).add(0.5)).toThrow("0.5 is not an i32; use a whole number or f32");
  });

  it("names operation and shapes when they do not fit", () => {
    expect(() => x23.add(tensor([1, 2]))).toThrow("add: shapes [2, 3] and [2] do not fit");
    expect(() => x23.broadcastTo([3, 2])).toThrow("[2, 3] does not stretch to [3, 2]");
    expect(() => x23.mul(tensor([1, 2, 3], { dtype: "i32" }))).toThrow("dtypes differ");
  });
});

describe("reductions", () => {
  it("take one axis, several, negative ones, or all", () => {
    expect(values(x23.sum())).toEqual([21]);
    expect(values(x23.sum({ axis: -1 }))).toEqual([6, 15]);
    expect(x23.sum({ axis: [0, 1], keepDims: true }).shape).toEqual([1, 1]);
    expect(values(x23.mean({ axis: 0 }))).toEqual([2.5, 3.5, 4.5]);
    expect(values(x23.max({ axis: 1 }))).toEqual([3, 6]);
    expect(values(x23.min())).toEqual([1]);
    expect(values(x23.prod({ axis: 1 }))).toEqual([6, 120]);
    near(x23.variance({ correction: 1 }), [3.5]);
    near(x23.norm({ axis: 1 }), [Math.sqrt(14), Math.sqrt(77)], 5);
    expect(values(x23.argmax())).toEqual([5]);
    expect(values(x23.argmin({ axis: 0 }))).toEqual([0, 0, 0]);
    expect(values(x23.argmax({ axis: 1, keepDims: true }))).toEqual([2, 2]);
  });

  it("count trues, and average bools and integers as f32", () => {
    const hit = x23.greater(2);
    expect(values(hit.sum())).toEqual([4]);
    near(hit.mean(), [4 / 6]);
    expect(values(tensor([1, 2], { dtype: "i32" }).mean())).toEqual([1.5]);
    expect([values(hit.any({ axis: 1 })), values(hit.all({ axis: 1 }))]).toEqual([
      [1, 1],
      [0, 1],
    ]);
  });

  it("of nothing are 0, 1, false and true", () => {
    const empty = tensor([[], []]);
    expect(values(empty.sum({ axis: 1 }))).toEqual([0, 0]);
    expect(values(empty.prod({ axis: 1 }))).toEqual([1, 1]);
    expect([values(empty.any({ axis: 1 })), values(empty.all())]).toEqual([[0, 0], [1]]);
    expect(() => empty.mean()).toThrow("mean: f32[2,0] has no elements to average");
  });

  it("find the smallest integer without overflow", () => {
    expect(values(tensor([5, -(2 ** 31), 7], { dtype: "i32" }).min())).toEqual([-(2 ** 31)]);
    expect(values(tensor(new Uint32Array([5, 0, 2 ** 32 - 1])).min())).toEqual([0]);
    expect(values(tensor(new Uint32Array([5, 0, 2 ** 32 - 1])).argmin())).toEqual([1]);
  });

  it("refuse an axis that is not there, or twice", () => {
    expect(() => x23.sum({ axis: 2 })).toThrow("sum: axis 2 is outside f32[2,3]; expected -2..1");
    expect(() => x23.sum({ axis: [1, -1] })).toThrow("name one axis twice");
  });

  it("multiply along the way", () => {
    expect(values(tensor([1, 2, 3, 4, 5]).cumprod())).toEqual([1, 2, 6, 24, 120]);
    expect(values(tensor([1, 2, 3, 4, 5]).cumprod({ reverse: true }))).toEqual([120, 120, 60, 20, 5]);
    expect(values(grad((x: Tensor) => x.cumprod().sum())(tensor([2, 0, 3])))).toEqual([1, 8, 0]);
    expect(values(grad((x: Tensor) => x.prod())(tensor([2, 0, 3])))).toEqual([0, 6, 0]);
  });
});

describe("shape", () => {
  it("infers one size of a reshape and refuses what does not fit", () => {
    expect(x23.reshape([3, -1]).shape).toEqual([3, 2]);
    expect(() => x23.reshape([4, -1])).toThrow("reshape: f32[2,3] has 6 elements and does not fill [4,-1]");
    expect(() => x23.reshape([4])).toThrow("sizes must agree");
  });

  it("indexes, slices and splits", () => {
    expect(values(x23.at(-1))).toEqual([4, 5, 6]);
    expect(values(x23.at(null, [1, 3]))).toEqual([2, 3, 5, 6]);
    expect(x23.at(0, 2).shape).toEqual([]);
    expect(() => x23.at(2)).toThrow("at: index 2 is outside axis 0 of f32[2,3]; expected -2..1");
    expect(values(x23.slice([0, -2], [2, 3]))).toEqual([2, 3, 5, 6]);
    expect(values(x23.slice([], [], [1, 2]))).toEqual([1, 3, 4, 6]);
    expect(x23.split(3, 1).map(values)).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ]);
    expect(x23.split([1, 2], -1).map((part) => part.shape)).toEqual([
      [2, 1],
      [2, 2],
    ]);
    expect(() => x23.split(2, 1)).toThrow("sizes must add up");
  });

  it("moves and makes axes", () => {
    expect(values(x23.T)).toEqual([1, 4, 2, 5, 3, 6]);
    expect(x23.expandDims(1).swapAxes(0, -1).shape).toEqual([3, 1, 2]);
    expect(x23.expandDims(-1).moveAxis(0, -1).shape).toEqual([3, 1, 2]);
    expect(x23.expandDims(0).squeeze().shape).toEqual([2, 3]);
    expect(() => x23.squeeze(0)).toThrow("axis 0 of f32[2,3] is not of size 1");
    expect(values(x23.flip(1))).toEqual([3, 2, 1, 6, 5, 4]);
    expect(values(stack([tensor([1, 2]), tensor([3, 4])], -1))).toEqual([1, 3, 2, 4]);
    expect(values(concat([tensor([1]), tensor([2, 3])]))).toEqual([1, 2, 3]);
    expect(values(tensor([1, 2]).tile([2]))).toEqual([1, 2, 1, 2]);
    expect(values(tensor([1, 2]).repeat(2, 0))).toEqual([1, 1, 2, 2]);
    expect(
      values(
        tensor([
          [1, 1],
          [1, 1],
        ]).tril(),
      ),
    ).toEqual([1, 0, 1, 1]);
    expect(
      values(
        tensor([
          [1, 1],
          [1, 1],
        ]).triu(1),
      ),
    ).toEqual([0, 1, 0, 0]);
  });

  it("pads with a value or mirrored", () => {
    expect(values(tensor([1, 2, 3]).pad([[1, 2]], { value: 9 }))).toEqual([9, 1, 2, 3, 9, 9]);
    expect(values(tensor([1, 2, 3]).pad([[2, 1]], { mode: "reflect" }))).toEqual([3, 2, 1, 2, 3, 2]);
    expect(() => tensor([1, 2]).pad([[2, 0]], { mode: "reflect" })).toThrow("pad less");
  });
});

describe("products", () => {
  it("multiply matrices, vectors and batches", () => {
    const m = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(
      values(
        m.matmul([
          [1, 0],
          [0, 1],
        ]),
      ),
    ).toEqual([1, 2, 3, 4]);
    expect(values(m.matmul(tensor([1, 1])))).toEqual([3, 7]);
    expect(values(tensor([1, 1]).matmul(m))).toEqual([4, 6]);
    expect(values(tensor([1, 2]).matmul([3, 4]))).toEqual([11]);
    const batch = tensor(Array.from({ length: 12 }, (_, i) => i)).reshape([3, 2, 2]);
    expect(batch.matmul(m).shape).toEqual([3, 2, 2]);
    expect(m.matmul(batch).shape).toEqual([3, 2, 2]);
    expect(tensor([1, 1]).matmul(batch).shape).toEqual([3, 2]);
    expect(batch.matmul(tensor([1, 1])).shape).toEqual([3, 2]);
    expect(batch.expandDims(1).matmul(batch).shape).toEqual([3, 3, 2, 2]);
  });

  it("read transposed sides without a transpose", () => {
    const left = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const right = tensor([
      [1, 0, 1],
      [0, 1, 0],
    ]);
    expect(values(left.matmul(right, { transposeB: true }))).toEqual(values(left.matmul(right.T)));
    expect(values(left.matmul(right, { transposeA: true }))).toEqual(values(left.T.matmul(right)));
    const batch = stack([left, left]);
    expect(values(batch.matmul(right, { transposeA: true }).at(1))).toEqual(values(left.T.matmul(right)));
  });

  it("say which sizes differ and what was expected", () => {
    const [a, b] = [tensor([[1]]).broadcastTo([32, 784]), tensor([[1]]).broadcastTo([512, 10])];
    expect(() => matmul(a, b)).toThrow(
      "matmul: inner sizes differ, [32, 784] x [512, 10]; expected [784, ...] on the right",
    );
    expect(() => matmul(a, tensor(1))).toThrow("multiply scalars with mul");
  });

  it("equal the sums that einsum writes out", () => {
    const a = tensor([
      [1, 2],
      [3, 4],
    ]);
    const b = tensor([
      [5, 6],
      [7, 8],
    ]);
    expect(values(einsum("ij,jk->ik", a, b))).toEqual(values(a.matmul(b)));
    expect(values(einsum("ij,jk", a, b))).toEqual(values(a.matmul(b)));
    expect(values(einsum("ij->ji", a))).toEqual([1, 3, 2, 4]);
    expect(values(einsum("ii", a))).toEqual([5]);
    expect(values(einsum("ii->i", a))).toEqual([1, 4]);
    expect(values(einsum("i,j->ji", tensor([1, 2]), tensor([3, 4])))).toEqual([3, 6, 4, 8]);
    expect(values(einsum("ij,jk,kl->il", a, b, a))).toEqual(values(a.matmul(b).matmul(a)));
    expect(values(einsum("bij,bjk->bik", stack([a, b]), stack([b, a])))).toEqual(
      values(stack([a, b]).matmul(stack([b, a]))),
    );
    expect(() => einsum("ij,jk->il", a, b)).toThrow("must name letters of the operands");
    expect(() => einsum("ijk->i", a)).toThrow("one letter per axis");
  });
});

describe("convolution and pooling", () => {
  const image = tensor(Array.from({ length: 16 }, (_, i) => i)).reshape([1, 4, 4, 1]);

  it("pad to the same size, or as told", () => {
    const kernel = tensor([[1]])
      .broadcastTo([3, 3])
      .reshape([3, 3, 1, 1]);
    expect(image.conv2d(kernel).shape).toEqual([1, 2, 2, 1]);
    expect(image.conv2d(kernel, { padding: "same" }).shape).toEqual([1, 4, 4, 1]);
    expect(image.conv2d(kernel, { padding: "same", stride: 2 }).shape).toEqual([1, 2, 2, 1]);
    expect(
      image.conv2d(kernel, {
        padding: [
          [1, 0],
          [0, 2],
        ],
      }).shape,
    ).toEqual([1, 3, 4, 1]);
    expect(values(image.conv2d(kernel))).toEqual([45, 54, 81, 90]);
    expect(() => image.conv2d(tensor([1, 2]))).toThrow("conv2d: expected x [batch, height, width, channels]");
  });

  it("pool by maximum and mean", () => {
    expect(values(image.maxPool2d({ window: 2 }))).toEqual([5, 7, 13, 15]);
    expect(values(image.avgPool2d({ window: 2 }))).toEqual([2.5, 4.5, 10.5, 12.5]);
    expect(values(image.avgPool2d({ window: 3, stride: 3, padding: 1, countIncludePad: false }).at(0, 0, 0))).toEqual([
      2.5,
    ]);
    const row = image.reshape([1, 8, 2]);
    expect(values(row.avgPool1d({ window: 4 }))).toEqual([3, 4, 11, 12]);
    expect(values(row.avgPool1d({ window: 3, stride: 8, padding: 1, countIncludePad: false }))).toEqual([1, 2]);
    expect(values(image.globalAvgPool2d())).toEqual([7.5]);
    expect(values(image.at(0, [0, 2], [0, 2]).expandDims(0).upsampleNearest2d(2))).toEqual([
      0, 0, 1, 1, 0, 0, 1, 1, 4, 4, 5, 5, 4, 4, 5, 5,
    ]);
  });

  it("transposed convolution is the transpose of convolution", () => {
    const x = f64([[[1], [2], [3], [4], [5]]]);
    const kernel = f64([[[1]], [[-2]], [[3]]]);
    const options = { stride: 2, padding: 1 };
    const y = x.conv1d(kernel, options);
    const dy = f64([[[1], [2], [3]]]);
    const forward = y.mul(dy).sum().itemSync();
    // <conv x, dy> = <x, convTranspose dy>, for one channel with the same kernel
    expect(dy.convTranspose1d(kernel, options).mul(x).sum().itemSync()).toBeCloseTo(forward, 12);
  });

  it.each([
    [3, 2],
    [4, 2],
    [5, 3],
    [2, 3],
    [3, 1],
  ])("transposed convolution of kernel %i and stride %i keeps what `same` means", (width, stride) => {
    const x = f64(Array.from({ length: 4 * stride }, (_, i) => Math.sin(i))).reshape([1, 4 * stride, 1]);
    const kernel = f64(Array.from({ length: width }, (_, i) => i - 1.25)).reshape([width, 1, 1]);
    const options = { stride, padding: "same" } as const;
    const y = x.conv1d(kernel, options);
    const dy = f64([1, -2, 3, 0.5]).reshape([1, 4, 1]);
    expect(y.shape).toEqual(dy.shape);
    const back = dy.convTranspose1d(kernel, options);
    expect(back.shape).toEqual(x.shape);
    expect(back.mul(x).sum().itemSync()).toBeCloseTo(y.mul(dy).sum().itemSync(), 12);
  });

  it("transposed convolution crops each end as told", () => {
    const spread = f64([1, 2]).reshape([1, 2, 1]);
    const kernel = f64([1, 10, 100]).reshape([3, 1, 1]);
    expect(values(spread.convTranspose1d(kernel, { stride: 2 }))).toEqual([1, 10, 102, 20, 200]);
    expect(values(spread.convTranspose1d(kernel, { stride: 2, padding: [[1, 2]] }))).toEqual([10, 102]);
  });
});

describe("indexing and order", () => {
  it("take, scatter, encode and sort", () => {
    expect(values(x23.take([2, 0], { axis: 1 }))).toEqual([3, 1, 6, 4]);
    expect(values(x23.takeAlongAxis([[2], [0]]))).toEqual([3, 4]);
    expect(values(x23.scatterAdd([[0, 0, 1]], [[1, 2, 3]]))).toEqual([2, 4, 3, 4, 5, 9]);
    expect(
      values(
        x23.indexAdd(
          [1, 1],
          [
            [1, 1, 1],
            [1, 1, 1],
          ],
        ),
      ),
    ).toEqual([1, 2, 3, 6, 7, 8]);
    expect(values(tensor([1, 0, 5], { dtype: "i32" }).oneHot(3))).toEqual([0, 1, 0, 1, 0, 0, 0, 0, 0]);
    expect(values(tensor([3, 1, 2]).sort({ descending: true }))).toEqual([3, 2, 1]);
    const { values: top, indices } = tensor([
      [3, 1, 2],
      [4, 6, 5],
    ]).topK(2);
    expect([values(top), values(indices)]).toEqual([
      [3, 2, 6, 5],
      [0, 2, 1, 2],
    ]);
    expect(() => x23.topK(4)).toThrow("expected 0..3");
    expect(() => x23.take([0.5])).toThrow("0.5 is not an i32");
  });

  it("sorts like Array.sort", () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true }), { maxLength: 40 }), (numbers) => {
        const sorted = values(tensor(new Float32Array(numbers)).sort());
        expect(sorted.map((x) => x + 0)).toEqual(numbers.toSorted((a, b) => a - b).map((x) => x + 0));
      }),
    );
  });
});

describe("numerical stability", () => {
  const extreme = [-1e4, -100, -20, -1, 0, 1, 20, 100, 1e4];

  it("keeps values and gradients of activations finite for large arguments", () => {
    const activations = ["sigmoid", "logSigmoid", "silu", "mish", "softplus", "gelu", "tanh", "elu", "selu"] as const;
    for (const name of activations) {
      const x = tensor(extreme);
      expect(values(x[name]()).every(Number.isFinite), name).toBe(true);
      expect(values(grad((y: Tensor) => y[name]().sum())(x)).every(Number.isFinite), `${name} gradient`).toBe(true);
    }
  });

  it("keeps softmax finite, whatever the shift", () => {
    near(tensor([1e4, 1e4 - 1]).softmax(), [1 / (1 + Math.exp(-1)), 1 / (1 + Math.E)]);
    near(tensor([-1e4, -1e4 - 1]).logSoftmax(), [-Math.log1p(Math.exp(-1)), -1 - Math.log1p(Math.exp(-1))], 3);
    expect(values(tensor([-Infinity, 0]).softmax())).toEqual([0, 1]);
    expect(values(tensor([-Infinity, -Infinity]).logSumExp())).toEqual([-Infinity]);
  });

  it("has the conventional gradients at kinks", () => {
    const slope = (fn: (x: Tensor) => Tensor, at = 0) => grad((x: Tensor) => fn(x).sum())(f64(at)).itemSync();
    expect(slope((x) => x.relu())).toBe(0);
    expect(slope((x) => x.relu6(), 6)).toBe(0);
    expect(slope((x) => x.leakyRelu(0.1))).toBe(0.1);
    expect(slope((x) => x.elu())).toBe(1);
    expect(slope((x) => x.softplus())).toBe(0.5);
    expect(slope((x) => x.logSigmoid())).toBe(0.5);
    expect(slope((x) => x.norm())).toBe(0);
    expect(slope((x) => x.std())).toBe(0);
    expect(slope((x) => x.pow(2))).toBe(0);
    expect(slope((x) => x.pow(3), -2)).toBe(12);
    expect(slope((x) => x.pow(-1), -2)).toBe(-0.25);
    expect(slope((x) => grad((y: Tensor) => y.softplus().sum())(x))).toBe(0.25);
  });

  it("lets NaN through", () => {
    const nan = tensor([NaN]);
    for (const y of [
      nan.relu(),
      nan.clip(0, 1),
      nan.maximum(0),
      nan.softplus(),
      nan.elu(),
      nan.norm(),
      nan.softmax(),
    ]) {
      expect(values(y)).toEqual([NaN]);
    }
  });

  it("agrees with Math for elementary functions", () => {
    fc.assert(
      fc.property(fc.double({ min: -5, max: 5, noNaN: true }), (x) => {
        const pairs: [Tensor, number][] = [
          [f64(x).sigmoid(), 1 / (1 + Math.exp(-x))],
          [f64(x).sinh(), Math.sinh(x)],
          [f64(x).cosh(), Math.cosh(x)],
          [f64(x).atan(), Math.atan(x)],
          [f64(x).softplus(), Math.log1p(Math.exp(x))],
          [f64(x).pow(7), x ** 7],
        ];
        for (const [got, want] of pairs)
          expect(Math.abs(got.itemSync() - want)).toBeLessThanOrEqual(1e-11 * (1 + Math.abs(want)));
      }),
    );
  });
});
