/** Forward-mode derivatives and Hessian-vector products, alone and within the other transformations. */
import type { Primitive, Tensor, TensorData } from "@weft/tensor";
import {
  ShapeError,
  TraceError,
  checkpoint,
  customVjp,
  grad,
  isFloat,
  scan,
  simplify,
  tensor,
  trace,
  vmap,
} from "@weft/tensor";
import { hvp, jvp } from "@weft/tensor/jvp";
import { cost } from "@weft/tensor/programs";
import { describe, expect, it } from "vitest";
import { applySample, drawn, executableOf, numbers, weighted } from "./transformRun.ts";
import type { Sample } from "./transformSamples.ts";
import { allSamples, seeded } from "./transformSamples.ts";

const values = (x: Tensor) => [...x.dataSync()];
function near(got: Tensor, want: Tensor | readonly number[], digits = 4): void {
  const expected = Array.isArray(want) ? want : values(want as Tensor);
  expect(got.size).toBe(expected.length);
  values(got).forEach((value, i) => expect(value).toBeCloseTo(expected[i] as number, digits));
}

const step = 1e-5;
const smooth = allSamples().filter(({ sample }) => !sample.rough && sample.inputs.some(({ dtype }) => isFloat(dtype)));

describe.each(smooth)("$name", ({ primitive, sample }: { primitive: Primitive; sample: Sample<Primitive> }) => {
  it("has the tangent that central differences show", () => {
    const inputs = sample.inputs.map((operand, i) => drawn(operand, seeded(i + 7)));
    const direction = sample.inputs.map(({ shape, dtype }, i) => numbers(shape, seeded(i + 70), dtype));
    const scalar = (...x: Tensor[]) => weighted(applySample(primitive, sample, x), seeded(99));
    const value = executableOf((...x) => [scalar(...x)], sample.inputs);
    const tangent = executableOf(
      (...x) => [jvp(scalar)(x.slice(0, inputs.length), x.slice(inputs.length))[1]],
      [...sample.inputs, ...sample.inputs],
    );
    const moved = (by: number) =>
      inputs.map((data, i): TensorData => {
        const along = direction[i]!;
        return data instanceof Float64Array ? data.map((x, j) => x + by * along[j]!) : data;
      });
    const want = (value(moved(step))[0]![0]! - value(moved(-step))[0]![0]!) / (2 * step);
    expect(tangent([...inputs, ...direction])[0]![0]! / Math.max(1, Math.abs(want))).toBeCloseTo(
      want / Math.max(1, Math.abs(want)),
      6,
    );
  });
});

/** Of trees, with curvature between all leaves. */
const energy = ({ w, x }: { w: Tensor; x: Tensor }) => x.matmul(w).tanh().sum().exp().add(w.sin().mul(x.sum()).sum());
const point = {
  w: tensor([0.3, -0.2]),
  x: tensor([
    [0.5, 1],
    [-1, 0.25],
    [0.1, 0.4],
  ]),
};
const direction = {
  w: tensor([1, 2]),
  x: tensor([
    [0.5, -1],
    [2, 0],
    [0, 1],
  ]),
};
const dotted = (a: typeof point, b: typeof point) => a.w.mul(b.w).sum().add(a.x.mul(b.x).sum());

describe("jvp", () => {
  it("gives the result and the tangent of every leaf, 0 where nothing flows", () => {
    const fn = (p: typeof point, n: Tensor) => ({ y: p.x.matmul(p.w), same: p.w, n: n.add(1), constant: tensor([7]) });
    const n = tensor(2, { dtype: "i32" });
    const [result, tangent] = jvp(fn)([point, n], [direction, n]);
    near(result.y, point.x.matmul(point.w));
    near(tangent.y, direction.x.matmul(point.w).add(point.x.matmul(direction.w)));
    near(tangent.same, [1, 2]);
    near(tangent.constant, [0]);
    expect([values(result.n), values(tangent.n)]).toEqual([[3], [0]]);
  });

  it("is the gradient, seen along one direction", () => {
    const [, tangent] = jvp(energy)([point], [direction]);
    near(tangent, dotted(grad(energy)(point), direction));
  });

  it("does no work that the tangent does not need", () => {
    const types = [4, 4].map((n) => ({ shape: [n, n], dtype: "f32" as const }));
    const fn = (x: Tensor, y: Tensor) => x.matmul(y).tanh();
    const plain = cost(simplify(trace((x, y) => [fn(x, y)], types))).flops;
    const both = trace((x, y, dx, dy) => jvp(fn)([x, y], [dx, dy]), [...types, ...types]);
    expect(cost(simplify(both)).flops).toBeLessThan(3.5 * plain);
  });

  it("composes with itself, with grad, and with vmap on either side", () => {
    const along = (p: typeof point) => jvp(energy)([p], [direction])[1];
    const second = jvp(along)([point], [direction])[1];
    near(second, dotted(hvp(energy)(point, direction), direction), 3);
    near(dotted(grad(along)(point), direction), second, 3);
    const [, turned] = jvp(grad(energy))([point], [direction]);
    near(turned.x, hvp(energy)(point, direction).x, 3);

    const row = (x: Tensor) => x.sin().mul(x.at(0)).sum();
    const [xs, ts] = [point.x, direction.x];
    const each = vmap((x: Tensor, t: Tensor) => jvp(row)([x], [t])[1])(xs, ts);
    [0, 1, 2].forEach((i) => near(each.at(i), jvp(row)([xs.at(i)], [ts.at(i)])[1]));
    near(jvp(vmap(row))([xs], [ts])[1], each);
  });

  it("passes through loops, recomputed pieces and custom gradients", () => {
    const cell = (w: Tensor) => (h: Tensor, x: Tensor) => [h.mul(w).add(x).tanh(), h.mul(x)] as const;
    const looped = (w: Tensor, xs: Tensor) => {
      const [last, all] = scan(cell(w), xs.at(0), xs);
      return last.sum().add(all.sum());
    };
    const unrolled = (w: Tensor, xs: Tensor) => {
      let [h, total] = [xs.at(0), tensor(0)];
      for (let i = 0; i < 3; i++) {
        const [next, output] = cell(w)(h, xs.at(i));
        [h, total] = [next, total.add(output.sum())];
      }
      return h.sum().add(total);
    };
    const at = [point.w, point.x] as [Tensor, Tensor];
    const to = [direction.w, direction.x] as [Tensor, Tensor];
    near(jvp(looped)(at, to)[1], jvp(unrolled)(at, to)[1]);
    near(jvp(checkpoint(unrolled))(at, to)[1], jvp(unrolled)(at, to)[1]);
    near(
      hvp((w: Tensor) => looped(w, point.x))(point.w, direction.w),
      hvp((w: Tensor) => unrolled(w, point.x))(point.w, direction.w),
    );
    const straight = customVjp(
      (x: Tensor) => x.round(),
      (dy) => [dy.mul(3)],
    );
    near(jvp(straight)([point.w], [direction.w])[1], [3, 6]);
  });

  it("says when a direction does not fit", () => {
    const w = point.w;
    expect(() => jvp((x: Tensor) => x)([w], [tensor([1, 2, 3])])).toThrow(ShapeError);
    expect(() => jvp((x: Tensor) => x)([w], [[w] as unknown as Tensor])).toThrow(TraceError);
  });
});

describe("hvp", () => {
  it("is the product with the matrix of second derivatives", () => {
    const quadratic = (x: Tensor) =>
      x
        .at(0)
        .square()
        .mul(3)
        .add(x.at(0).mul(x.at(1)).mul(2))
        .add(x.at(2));
    near(hvp(quadratic)(tensor([1, 2, 3]), tensor([1, 10, 100])), [26, 2, 0]);
  });

  it("gives rows of the matrix when batched over directions", () => {
    const fn = (x: Tensor) => x.at(0).exp().mul(x.at(1)).add(x.at(1).square());
    const eye = tensor([
      [1, 0],
      [0, 1],
    ]);
    const matrix = vmap((v: Tensor) => hvp(fn)(tensor([0, 2]), v))(eye);
    near(matrix, [2, 1, 1, 2]);
  });

  it("asks for a scalar", () => {
    expect(() => hvp((x: Tensor) => x)(point.w, direction.w)).toThrow(/float scalar, got f32\[2\]/);
  });
});
