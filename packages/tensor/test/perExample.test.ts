/** Per-example gradients: their norms and weighted sums without the gradients, and what vmap(grad) makes of each layer. */
import type { Program, Tensor, TensorType } from "@weft/tensor";
import type { PerExampleGradients } from "@weft/tensor/perExample";
import {
  ShapeError,
  apply,
  conv2d,
  embedding,
  grad,
  maxPool2d,
  scan,
  simplify,
  tensor,
  trace,
  vmap,
} from "@weft/tensor";
import { perExampleGradients } from "@weft/tensor/perExample";
import { cost, describe as textOf } from "@weft/tensor/programs";
import { describe, expect, it } from "vitest";
import { executableOf, numbers } from "./transformRun.ts";
import { seeded } from "./transformSamples.ts";

const f64 = (...shape: number[]): TensorType => ({ shape, dtype: "f64" });
const i32 = (...shape: number[]): TensorType => ({ shape, dtype: "i32" });
type Parameters = readonly Tensor[];

interface Network {
  readonly name: string;
  /** Of one example. */
  readonly loss: (parameters: Parameters, x: Tensor) => Tensor;
  readonly parameters: readonly TensorType[];
  readonly batch: TensorType;
}

const at = (list: Parameters, i: number) => list[i]!;
const normalised = (x: Tensor) => {
  const centred = x.sub(x.mean({ axis: -1, keepDims: true }));
  return centred.mul(centred.square().mean({ axis: -1, keepDims: true }).add(1e-5).rsqrt());
};

const networks: readonly Network[] = [
  {
    name: "dense layers",
    loss: (p, x) => x.matmul(at(p, 0)).add(at(p, 1)).tanh().matmul(at(p, 2)).square().sum(),
    parameters: [f64(6, 5), f64(5), f64(5, 4)],
    batch: f64(7, 6),
  },
  {
    name: "dense layers on batches of one",
    loss: (p, x) => x.expandDims(0).matmul(at(p, 0)).add(at(p, 1)).tanh().square().sum(),
    parameters: [f64(6, 5), f64(5)],
    batch: f64(7, 6),
  },
  {
    name: "a dense layer at few positions",
    loss: (p, x) => x.matmul(at(p, 0)).sin().sum(),
    parameters: [f64(8, 9)],
    batch: f64(5, 2, 8),
  },
  {
    name: "a dense layer at many positions",
    loss: (p, x) => x.matmul(at(p, 0)).sin().sum(),
    parameters: [f64(3, 4)],
    batch: f64(5, 9, 3),
  },
  {
    name: "a transposed weight in batched products",
    loss: (p, x) => x.matmul(at(p, 0), { transposeB: true }).tanh().sum(),
    parameters: [f64(2, 12, 7)],
    batch: f64(5, 2, 3, 7),
  },
  {
    name: "a convolution with bias and pooling",
    loss: (p, x) => {
      const features = conv2d(x.expandDims(0), at(p, 0), { padding: "same" }).add(at(p, 1)).relu();
      return maxPool2d(features, { window: 2, stride: 2 }).square().sum();
    },
    parameters: [f64(3, 3, 2, 4), f64(4)],
    batch: f64(5, 6, 6, 2),
  },
  {
    name: "an embedding, with repeated indices and some out of range",
    loss: (p, ids) => embedding(at(p, 0), ids.sub(1)).matmul(at(p, 1)).tanh().sum(),
    parameters: [f64(9, 3), f64(3, 2)],
    batch: i32(4, 6),
  },
  {
    name: "an embedding of a table smaller than the text",
    loss: (p, ids) => embedding(at(p, 0), ids).sin().sum(),
    parameters: [f64(3, 4)],
    batch: i32(4, 6),
  },
  {
    name: "a layer norm with scale and shift",
    loss: (p, x) => normalised(x).mul(at(p, 0)).add(at(p, 1)).sin().sum(),
    parameters: [f64(4), f64(4)],
    batch: f64(5, 3, 4),
  },
  {
    name: "a weight that is used twice",
    loss: (p, x) => x.matmul(at(p, 0)).tanh().matmul(at(p, 0)).sum(),
    parameters: [f64(4, 4)],
    batch: f64(5, 4),
  },
  {
    name: "a recurrent layer",
    loss: (p, xs) =>
      scan((h: Tensor, x: Tensor) => [h.matmul(at(p, 0)).add(x).tanh(), undefined] as const, xs.at(0), xs)[0].sum(),
    parameters: [f64(6, 6)],
    batch: f64(5, 4, 6),
  },
];

/** norms, weighted sums and stacks in one list, by the helper or by forming every gradient. */
const all =
  ({ loss }: Network, way: "parts" | "formed") =>
  (batch: Tensor, ...parameters: Tensor[]) => {
    const weights = batch.cast("f64").reshape([batch.shape[0]!, -1]).sum({ axis: 1 });
    if (way === "parts") {
      const { values, norms, weightedSum, stacked } = perExampleGradients(loss)(parameters, batch);
      return [values, norms, ...weightedSum(weights), ...stacked()];
    }
    const stacks = vmap(grad(loss), { in: [null, 0] })(parameters, batch);
    const rows = stacks.map((stack) => stack.reshape([stack.shape[0]!, -1]));
    const squares = rows.map((row) => row.square().sum({ axis: 1 })).reduce((sum, square) => sum.add(square));
    const sums = stacks.map((stack) =>
      weights
        .reshape([-1, ...stack.shape.slice(1).map(() => 1)])
        .mul(stack)
        .sum({ axis: 0 }),
    );
    return [vmap(loss, { in: [null, 0] })(parameters, batch), squares.sqrt(), ...sums, ...stacks];
  };

const programOf = (
  network: Network,
  part: (examples: PerExampleGradients<Parameters>, batch: Tensor) => readonly Tensor[],
): Program =>
  trace(
    (batch, ...parameters) => part(perExampleGradients(network.loss)(parameters, batch), batch),
    [network.batch, ...network.parameters],
  );

describe.each(networks)("$name", (network) => {
  const types = [network.batch, ...network.parameters];

  it("has the norms, weighted sums and gradients that forming every gradient gives", () => {
    const inputs = types.map(({ shape, dtype }, i) =>
      dtype === "i32"
        ? Int32Array.from(numbers(shape, seeded(i + 5)), (x) => Math.floor(Math.abs(x) * 11))
        : numbers(shape, seeded(i + 5)),
    );
    const want = executableOf(all(network, "formed"), types)(inputs);
    executableOf(
      all(network, "parts"),
      types,
    )(inputs).forEach((result, i) => {
      expect(result.length).toBe(want[i]!.length);
      result.forEach((value, j) => expect(value, `result ${i}`).toBeCloseTo(want[i]![j]!, 8));
    });
  });

  it("is done for all examples at once, without loops over them", () => {
    const program = simplify(programOf(network, (examples) => examples.stacked()));
    const loops = program.instructions.filter(({ primitive }) => primitive === "scan");
    expect(loops.length).toBe(network.name === "a recurrent layer" ? 2 : 0);
  });
});

describe("the cost of what private training needs", () => {
  const wide = (network: Network, parameters: readonly TensorType[], batch: TensorType) => ({
    ...network,
    parameters,
    batch,
  });
  const costs = (network: Network) => {
    const formed = cost(
      simplify(
        trace(
          (batch, ...p) => all(network, "formed")(batch, ...p).slice(1, 2 + p.length),
          [network.batch, ...network.parameters],
        ),
      ),
    );
    const parts = cost(simplify(programOf(network, ({ norms, weightedSum }) => [norms, ...weightedSum(norms)])));
    return { flops: parts.flops / formed.flops, bytes: parts.peakBytes / formed.peakBytes };
  };

  it("falls for dense layers: no gradient of an example is formed", () => {
    const { flops, bytes } = costs(wide(networks[0]!, [f64(200, 100), f64(100), f64(100, 10)], f64(32, 200)));
    expect(flops).toBeLessThan(0.6);
    expect(bytes).toBeLessThan(0.1);
  });

  it("falls for layers at several positions", () => {
    const { flops, bytes } = costs(wide(networks[2]!, [f64(64, 64)], f64(16, 8, 64)));
    expect(flops).toBeLessThan(1.05);
    expect(bytes).toBeLessThan(0.2);
  });

  it("falls for embeddings: no table is made for each example", () => {
    const { bytes } = costs(wide(networks[6]!, [f64(1000, 16), f64(16, 4)], i32(32, 10)));
    expect(bytes).toBeLessThan(0.1);
  });

  it("is one grouped convolution for kernels, and a plain one for their weighted sum", () => {
    const stacks = textOf(simplify(programOf(networks[5]!, (examples) => examples.stacked())));
    expect(stacks.match(/convKernelGradient.*groups: 5/g)?.length).toBe(1);
    const sums = textOf(
      simplify(programOf(networks[5]!, ({ weightedSum }, batch) => weightedSum(batch.sum({ axis: [1, 2, 3] })))),
    );
    expect(sums.match(/convKernelGradient.*groups: 1,/g)?.length).toBe(1);
  });
});

describe("sums of vmap(grad)", () => {
  const loss = (w: Tensor, x: Tensor) => x.expandDims(0).matmul(w).tanh().sum();
  const each = vmap(grad(loss), { in: [null, 0] });
  const types = [f64(6, 5), f64(8, 6), f64(8)];
  const sums = (w: Tensor, x: Tensor, c: Tensor) => [
    each(w, x).mean({ axis: 0 }),
    each(w, x)
      .mul(c.reshape([8, 1, 1]))
      .sum({ axis: 0 }),
    c
      .expandDims(1)
      .expandDims(2)
      .mul(each(w, x))
      .sum({ axis: [0, 2] }),
  ];

  it("form no gradient of an example, weighted or not", () => {
    const program = trace(sums, types);
    const simple = simplify(program);
    expect(textOf(simple)).not.toContain("f64[8,6,5]");
    const inputs = types.map(({ shape }, i) => numbers(shape, seeded(i + 5)));
    const [got, want] = [simple, program].map((p) => executableOf((...x) => apply(p, x), types)(inputs));
    got!.forEach((result, i) => {
      result.forEach((value, j) => expect(value).toBeCloseTo(want![i]![j]!, 10));
    });
  });
});

describe("perExampleGradients", () => {
  const loss = (w: Tensor, x: Tensor, scale: Tensor) => x.mul(w).mul(scale).sum();

  it("takes axes, and arguments that examples share", () => {
    const xs = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const examples = perExampleGradients(loss, { in: [1, null] })(tensor([1, 1]), xs, tensor(2));
    expect([...examples.values.dataSync()]).toEqual([10, 14, 18]);
    expect([...examples.weightedSum(tensor([1, 0, 1])).dataSync()]).toEqual([8, 20]);
  });

  it("is differentiated like anything else", () => {
    const total = (w: Tensor) =>
      perExampleGradients((v: Tensor, x: Tensor) => v.mul(x).square().sum())(
        w,
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ).norms.sum();
    const [w, h] = [[0.5, -1], 1e-2];
    const slope =
      (total(tensor([w[0]! + h, w[1]!])).itemSync() - total(tensor([w[0]! - h, w[1]!])).itemSync()) / (2 * h);
    expect(grad(total)(tensor(w)).at(0).itemSync()).toBeCloseTo(slope, 2);
  });

  it("takes a weight that is doubled many times without unfolding the sum", () => {
    const doubling = (w: Tensor, x: Tensor) => {
      let z = w;
      for (let i = 0; i < 40; i++) z = z.add(z);
      return z
        .mul(2 ** -40)
        .mul(x)
        .sum();
    };
    const { norms } = perExampleGradients(doubling)(tensor([1, 1]), tensor([[3, 4]]));
    expect(norms.itemSync()).toBeCloseTo(5, 4);
  });

  it("asks for one weight for each example", () => {
    const examples = perExampleGradients(loss)(
      tensor([1, 1]),
      tensor([
        [1, 2],
        [3, 4],
      ]),
      tensor([1, 1]),
    );
    expect(() => examples.weightedSum(tensor([1]))).toThrow(ShapeError);
  });
});
