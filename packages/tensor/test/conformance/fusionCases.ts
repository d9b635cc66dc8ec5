/** Chains that invite fusion, shared and repeated values, and graphs of unusual form. */
import { add, concat, einsum, full, grad, normal, tensor, zeros } from "@weft/tensor";
import type { Case } from "./case.ts";
import { accumulated, approximate, given, sample } from "./case.ts";

const chains: readonly Case[] = [
  {
    claim: "a long elementwise chain",
    fn: (x, y) => x.mul(y).add(x).relu().sub(0.5).abs().exp().log1p().tanh().mul(3).add(y),
    inputs: [[5], [33], [3, 17], [0]].map((shape) => [sample(shape), sample(shape)]),
    tolerance: { relative: 1e-5, absolute: 1e-5 },
  },
  {
    claim: "a value kept from gradients, alone and within a chain",
    fn: (x, n) => [x.stopGradient(), x.exp().stopGradient().mul(x), n.stopGradient()],
    inputs: [[sample([3, 5]), sample([4], "i32")]],
    tolerance: approximate,
  },
  {
    claim: "broadcasting chains",
    fn: (x, row, column, scale) => x.mul(scale).add(row).div(column.abs().add(1)).maximum(row),
    inputs: [[sample([7, 9]), sample([9]), sample([7, 1]), sample([])]],
    tolerance: approximate,
  },
  {
    claim: "bool and integer chains",
    fn: (x, i) => {
      const mask = x.greater(0).and(i.lessEqual(3)).or(i.equal(7)).not();
      return [mask, mask.where(x, i.cast("f32")), mask.cast("i32").add(i).mul(3), mask.sum({ axis: 0 }), mask.any()];
    },
    inputs: [[sample([5, 7]), sample([5, 7], "i32", [0, 9])]],
  },
  {
    claim: "every activation",
    fn: (x) => [
      x.sigmoid(),
      x.logSigmoid(),
      x.relu6(),
      x.silu(),
      x.selu(),
      x.mish(),
      x.hardSigmoid(),
      x.hardSwish(),
      x.softsign(),
      x.gelu(),
      x.gelu({ approximate: "tanh" }),
      x.elu(0.7),
      x.leakyRelu(),
      x.softplus(2),
      x.clip(-1, 1),
      x.pow(3),
      x.pow(-2),
      x.sinh(),
      x.cosh(),
      x.tan(),
      x.atan(),
      x.square().add(1).rsqrt(),
    ],
    inputs: [[sample([17], "f32", [0.1, 1.4])], [sample([5], "f32", [-1.4, -0.1])]],
    tolerance: { relative: 1e-5, absolute: 1e-6 },
  },
  {
    claim: "softmax and log-softmax over each axis",
    fn: (x) => [x.softmax(), x.softmax(0), x.logSoftmax(1), x.logSoftmax([0, 2]), x.logSumExp()],
    inputs: [[sample([3, 5, 10], "f32", [-30, 30])]],
    tolerance: { relative: 1e-5, absolute: 1e-5 },
  },
  {
    claim: "layer normalisation",
    fn: (x, gamma, beta) => {
      const centred = x.sub(x.mean({ axis: -1, keepDims: true }));
      const deviation = x.variance({ axis: -1, keepDims: true }).add(1e-5).sqrt();
      return centred.div(deviation).mul(gamma).add(beta);
    },
    inputs: [[sample([4, 33]), sample([33]), sample([33])]],
    tolerance: accumulated,
  },
  {
    claim: "an Adam update",
    fn: (w, m, v, g) => {
      const mean = m.mul(0.9).add(g.mul(0.1));
      const square = v.mul(0.999).add(g.mul(g).mul(0.001));
      return [w.sub(mean.div(square.sqrt().add(1e-8)).mul(0.001)), mean, square];
    },
    inputs: [[sample([7, 5]), sample([7, 5]), sample([7, 5], "f32", [0.1, 2]), sample([7, 5])]],
    tolerance: approximate,
  },
];

const epilogues: readonly Case[] = [
  {
    claim: "dense, bias and relu, then reductions",
    fn: (x, w, b) => {
      const y = x.matmul(w).add(b).relu();
      return [y, y.sum({ axis: 0 }), y.max({ axis: 1 }), y.mul(2).mean()];
    },
    inputs: [[sample([9, 17]), sample([17, 33]), sample([33])]],
    tolerance: accumulated,
  },
  {
    claim: "convolution, bias, relu, pooling, flatten, dense",
    fn: (x, k, b, w) => x.conv2d(k).add(b).relu().maxPool2d({ window: 2 }).reshape([2, -1]).matmul(w),
    inputs: [[sample([2, 8, 8, 1]), sample([3, 3, 1, 6]), sample([6]), sample([54, 10])]],
    tolerance: accumulated,
  },
  {
    claim: "causal attention",
    fn: (q, k, v) => {
      const scores = q.matmul(k, { transposeB: true }).mul(0.35);
      const causal = full([6, 6], true).tril();
      return causal.where(scores, -1e9).softmax().matmul(v);
    },
    inputs: [[sample([2, 3, 6, 8]), sample([2, 3, 6, 8]), sample([2, 3, 6, 8])]],
    tolerance: accumulated,
  },
  {
    claim: "the gradient of a two-layer network",
    fn: (...inputs) => {
      const [x, labels, ...parameters] = inputs;
      const loss = (w1: typeof x, b1: typeof x, w2: typeof x) =>
        x!.matmul(w1!).add(b1!).tanh().matmul(w2!).logSoftmax().mul(labels!).sum().neg();
      return grad(([w1, b1, w2]: (typeof x)[]) => loss(w1, b1, w2))(parameters) as never;
    },
    inputs: [[sample([5, 7]), sample([5, 3]), sample([7, 9]), sample([9]), sample([9, 3])]],
    tolerance: accumulated,
  },
  {
    claim: "the gradient of a convolutional network",
    fn: (x, ...parameters) =>
      grad(([k, b, w]: (typeof x)[]) =>
        x.conv2d(k!, { padding: 1 }).add(b!).relu().maxPool2d({ window: 2 }).reshape([2, -1]).matmul(w!).square().sum(),
      )(parameters),
    inputs: [[sample([2, 6, 6, 2]), sample([3, 3, 2, 4]), sample([4]), sample([36, 5])]],
    tolerance: { relative: 1e-4, absolute: 1e-3 },
  },
];

const forms: readonly Case[] = [
  {
    claim: "results that are inputs, repeated, constant and intermediate",
    fn: (x, y) => {
      const z = x.add(y);
      return [x, z, z, z.mul(2), zeros([3]), y, full([2, 2], 5, { dtype: "i32" }), z.reshape([17])];
    },
    inputs: [[sample([17]), sample([17])]],
  },
  {
    claim: "captured arrays",
    fn: (x) => [
      x.add(tensor([1, 2, 3])),
      tensor([
        [1, 2],
        [3, 4],
      ]),
      x.greater(tensor([0, 1, 0])),
    ],
    inputs: [[sample([3])]],
  },
  {
    claim: "no arguments at all",
    fn: () => normal(tensor(new Uint32Array([1, 2])), [9]),
    inputs: [[]],
    tolerance: approximate,
  },
  {
    claim: "unused arguments",
    fn: (_unused, x) => x.neg(),
    inputs: [[sample([5]), sample([3])]],
  },
  {
    claim: "one value used twice on both sides",
    fn: (x) => [x.mul(x), x.sub(x), x.matmul(x), x.add(x.T), concat([x, x], 1)],
    inputs: [[sample([5, 5])]],
    tolerance: accumulated,
  },
  {
    claim: "a chain of 300 steps",
    fn: (x) => {
      let y = x;
      for (let i = 0; i < 300; i++) y = i % 3 === 0 ? y.mul(1.01) : y.add(x.mul(0.01));
      return y;
    },
    inputs: [[sample([17])]],
    tolerance: accumulated,
  },
  {
    claim: "a sum of 40 arguments",
    fn: (...xs) => xs.reduce((total, x) => add(total, x)),
    inputs: [Array.from({ length: 40 }, () => sample([33]))],
    tolerance: accumulated,
  },
  {
    claim: "reductions of reductions, broadcast back",
    fn: (x) => {
      const row = x.mean({ axis: 1, keepDims: true });
      const spread = x.sub(row).square().sum({ axis: 0 });
      return [spread.div(spread.max()), x.sub(row).div(x.sub(row).norm())];
    },
    inputs: [[sample([9, 17])]],
    tolerance: accumulated,
  },
  {
    claim: "x · 0 with infinities and NaN, which is not 0",
    fn: (x) => [x.mul(0), x.sub(x), x.div(x), x.mul(1), x.add(0), x.div(1), x.pow(1), x.maximum(-Infinity)],
    inputs: [[given([Infinity, NaN, -Infinity, 2, 0])]],
  },
  {
    claim: "contractions, gathers and sorts feeding each other",
    fn: (x, i) => {
      const rows = x.take(i);
      return [
        einsum("ij,kj->ik", rows, x),
        rows.sort({ axis: 0 }).cumsum({ axis: 1 }),
        x.argmax({ axis: 1 }).oneHot(5),
      ];
    },
    inputs: [[sample([4, 5]), sample([6], "i32", [0, 3])]],
    tolerance: accumulated,
  },
];

export const fusionCases: readonly Case[] = [...chains, ...epilogues, ...forms];
