/** Loops over random steps: values, gradients and tangents are those of the steps written out. */
import type { Tensor, TensorType } from "@weft/tensor";
import { checkpoint, concat, grad, scan, stack, valueAndGrad, vmap } from "@weft/tensor";
import { jvp } from "@weft/tensor/jvp";
import fc from "fast-check";
import { describe, it } from "vitest";
import { executableOf, numbers } from "./transformRun.ts";
import { seeded } from "./transformSamples.ts";

/** Values of shape [2, 3] made from one or two others, a weight [3, 3] and a bias [3]. */
type Operation = (x: Tensor, y: Tensor, outer: { w: Tensor; b: Tensor }) => Tensor;
const operations: readonly Operation[] = [
  (x, _, { w }) => x.matmul(w),
  (x, _, { w }) => x.tanh().matmul(w, { transposeB: true }),
  (x, _, { b }) => x.add(b),
  (x, _, { b }) => x.mul(b.sin()),
  (x, y) => x.add(y),
  (x, y) => x.mul(y).mul(0.5),
  (x, y) => x.sub(y),
  (x) => x.tanh(),
  (x) => x.relu(),
  (x) => x.sigmoid(),
  (x) => x.mul(-0.3).exp().mul(0.2),
  (x) => x.sub(x.mean({ axis: -1, keepDims: true })),
  (x) => x.softmax(),
  (x, y) => concat([x.at(null, [0, 2]), y.at(null, [2, 3])], 1),
  (x, y) => x.greater(y).where(x, y.mul(0.5)),
  (x, y) => x.matmul(y, { transposeB: true }).matmul(y).mul(0.2),
  (x) => checkpoint((z: Tensor) => z.sin().mul(z))(x),
  (x, y) => scan((c: Tensor, row: Tensor) => [c.mul(0.5).add(row).tanh(), undefined] as const, x.at(0), y)[0].add(x),
  (x, y) => x.stopGradient().mul(y).mul(0.5),
];

interface Choice {
  readonly operation: number;
  readonly x: number;
  readonly y: number;
}
interface Body {
  readonly choices: readonly Choice[];
  readonly reverse: boolean;
}

const bodies: fc.Arbitrary<Body> = fc.record({
  choices: fc.array(fc.record({ operation: fc.nat(operations.length - 1), x: fc.nat(20), y: fc.nat(20) }), {
    minLength: 3,
    maxLength: 12,
  }),
  reverse: fc.boolean(),
});

const length = 3;
const f64 = (...shape: number[]): TensorType => ({ shape, dtype: "f64" });
const types = [f64(3, 3), f64(3), f64(2, 2, 3), f64(length, 2, 3)];

/** A scalar of weights, first carries and slices, by a loop or by its steps. */
function lossOf({ choices, reverse }: Body, way: "loop" | "steps") {
  return (w: Tensor, b: Tensor, start: Tensor, xs: Tensor): Tensor => {
    const step = (carry: readonly Tensor[], x: Tensor) => {
      const values = [...carry, x];
      for (const { operation, x: first, y: second } of choices) {
        const pick = (n: number) => values[n % values.length]!;
        values.push(operations[operation]!(pick(first), pick(second), { w, b }));
      }
      const last = values.slice(-3) as [Tensor, Tensor, Tensor];
      return [[last[0].tanh(), last[1].sin()], last[2].mul(x)] as const;
    };
    const first = [start.at(0), start.at(1)];
    let [carry, outputs]: readonly [readonly Tensor[], Tensor] = [first, xs];
    if (way === "loop") {
      [carry, outputs] = scan(step, first, xs, { reverse });
    } else {
      const given: Tensor[] = [];
      for (let i = 0; i < length; i++) {
        const at = reverse ? length - 1 - i : i;
        const [next, output] = step(carry, xs.at(at));
        carry = next;
        given[at] = output;
      }
      outputs = stack(given);
    }
    return carry.reduce((sum, c) => sum.add(c.sum()), outputs.square().sum());
  };
}

type Loss = ReturnType<typeof lossOf>;
const all = { argument: [0, 1, 2, 3] } as const;
const transformations: Readonly<Record<string, (loss: Loss) => (...x: Tensor[]) => readonly Tensor[]>> = {
  "values and gradients":
    (loss) =>
    (...x) =>
      valueAndGrad(loss, all)(x[0]!, x[1]!, x[2]!, x[3]!).flat(),
  "second gradients":
    (loss) =>
    (...x) => {
      const inner = (...y: [Tensor, Tensor, Tensor, Tensor]) =>
        grad(loss, all)(...y).reduce((sum, g) => sum.add(g.square().sum()), y[1].sum());
      return grad(inner, all)(x[0]!, x[1]!, x[2]!, x[3]!);
    },
  tangents:
    (loss) =>
    (...x) => {
      const point = [x[0]!, x[1]!, x[2]!, x[3]!] as [Tensor, Tensor, Tensor, Tensor];
      return jvp(loss)(point, point);
    },
  "gradients of each of several examples":
    (loss) =>
    (...x) => {
      const examples = stack([x[3]!, x[3]!.mul(0.5)]);
      return vmap(grad(loss, all), { in: [null, null, null, 0] })(x[0]!, x[1]!, x[2]!, examples);
    },
};

describe("a loop over a random step", () => {
  it.each(Object.keys(transformations))("has the %s of its steps written out", (name) => {
    const transform = transformations[name]!;
    const inputs = types.map(({ shape }, i) => numbers(shape, seeded(i + 11)));
    const run = (body: Body, way: "loop" | "steps") => executableOf(transform(lossOf(body, way)), types)(inputs);
    fc.assert(
      fc.property(bodies, (body) => {
        const want = run(body, "steps");
        return run(body, "loop").every((result, i) =>
          result.every((value, j) => Math.abs(value - want[i]![j]!) <= 1e-8 * Math.max(1, Math.abs(want[i]![j]!))),
        );
      }),
      { numRuns: 60 },
    );
  });
});
