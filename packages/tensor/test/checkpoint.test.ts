/** Rematerialisation: the same numbers, from less memory, whatever is merged, encoded, batched or differentiated again. */
import type { Instruction, Program, Tensor, TensorType } from "@weft/tensor";
import {
  apply,
  bytesPerElement,
  checkpoint,
  grad,
  planMemory,
  scan,
  schedule,
  simplify,
  tensor,
  trace,
  valueAndGrad,
  vmap,
} from "@weft/tensor";
import { cost, decode, describe as textOf, encode } from "@weft/tensor/programs";
import { describe, expect, it } from "vitest";
import { executableOf, numbers } from "./transformRun.ts";
import { seeded } from "./transformSamples.ts";

type Layer = (x: Tensor, w: Tensor) => Tensor;
const layer: Layer = (x, w) => x.matmul(w).tanh().matmul(w).exp().sin();
const depth = 8;

/** A loss over a chain of layers with one weight each. */
const chain = (apart: Layer) => (weights: Tensor, x: Tensor) => {
  let y = x;
  for (let i = 0; i < depth; i++) y = apart(y, weights.at(i));
  return y.square().mean();
};
const types: TensorType[] = [
  { shape: [depth, 4, 4], dtype: "f64" },
  { shape: [16, 4], dtype: "f64" },
];
const deep = chain(checkpoint(layer));
const flat = chain(layer);
const gradOf = (loss: typeof flat) => (weights: Tensor, x: Tensor) =>
  valueAndGrad(loss, { argument: [0, 1] })(weights, x).flat();

function expectSame(got: (...x: Tensor[]) => Tensor[], want: (...x: Tensor[]) => Tensor[], of = types) {
  const inputs = of.map(({ shape, dtype }, i) => numbers(shape, seeded(i + 2), dtype));
  const expected = executableOf(want, of)(inputs);
  executableOf(
    got,
    of,
  )(inputs).forEach((result, i) => {
    result.forEach((value, j) => expect(value).toBeCloseTo(expected[i]?.[j] ?? NaN, 9));
  });
}

/** Bytes of the arena in which the scheduled program runs, nothing done in place. */
function arenaBytes(program: Program): number {
  const { buffers, inputs, literals, steps, outputs } = schedule(program);
  return planMemory({
    bytes: buffers.map(({ dtype, size }) => size * bytesPerElement[dtype]),
    inputs: Array.from({ length: inputs }, (_, i) => i),
    constants: literals.map((_, i) => inputs + i),
    steps: steps.map((step) => ({
      reads: step.kind === "loop" ? step.reads : step.reads.map(({ buffer }) => buffer),
      writes: step.writes,
      inPlace: [],
    })),
    outputs: outputs.map(({ buffer }) => buffer),
    aliases: [],
  }).bytes;
}

const count = ({ instructions }: Program, kind: Instruction["primitive"]) =>
  instructions.filter(({ primitive }) => primitive === kind).length;

describe("checkpoint", () => {
  it("changes neither values nor gradients, nor second gradients", () => {
    expectSame(gradOf(deep), gradOf(flat));
    const penalty = (loss: typeof flat) => gradOf((w, x) => grad(loss)(w, x).square().sum());
    expectSame(penalty(deep), penalty(flat));
  });

  it("holds the intermediates of one piece at a time: in the cost, and in the arena after merging of equal instructions", () => {
    const wide = [types[0]!, { shape: [256, 4], dtype: "f32" } as const].map(({ shape }) => ({
      shape,
      dtype: "f32" as const,
    }));
    const [apart, kept] = [deep, flat].map((loss) => trace((w, x) => gradOf(loss)(w, x), wide));
    expect(cost(apart!).peakBytes).toBeLessThan(0.75 * cost(kept!).peakBytes);
    expect(arenaBytes(apart!)).toBeLessThan(0.6 * arenaBytes(kept!));
  });

  it("computes each piece twice, and no more", () => {
    const [apart, kept] = [deep, flat].map((loss) => simplify(trace((w, x) => gradOf(loss)(w, x), types)));
    expect(count(kept!, "tanh")).toBe(depth);
    expect(count(apart!, "tanh")).toBe(2 * depth);
    expect(count(apart!, "call")).toBe(0);
    // of the last operation of a piece, a sine, the gradient needs only the operand
    expect(count(apart!, "sin")).toBe(depth);
  });

  it("stays in force in a Program that came as bytes and is differentiated then", () => {
    const travelled = decode(encode(trace(deep, types)));
    expect(textOf(travelled)).toContain("call");
    const loss = (w: Tensor, x: Tensor) => apply(travelled, [w, x])[0] as Tensor;
    expectSame(gradOf(loss), gradOf(flat));
    expect(count(simplify(trace((w, x) => gradOf(loss)(w, x), types)), "tanh")).toBe(2 * depth);
    expect(arenaBytes(trace((w, x) => gradOf(loss)(w, x), types))).toBe(
      arenaBytes(trace((w, x) => gradOf(deep)(w, x), types)),
    );
  });

  it("is batched inside and outside of gradients", () => {
    const batch = [types[0]!, { shape: [3, 2, 4], dtype: "f64" } as const];
    const each = (loss: typeof flat) => (w: Tensor, xs: Tensor) => vmap(grad(loss), { in: [null, 0] })(w, xs);
    expectSame(
      (w, xs) => [each(deep)(w, xs)],
      (w, xs) => [each(flat)(w, xs)],
      batch,
    );
    const total = (loss: typeof flat) => gradOf((w, xs) => vmap(loss, { in: [null, 0] })(w, xs).sum());
    expectSame(total(deep), total(flat), batch);
  });

  it("differentiates tensors that the function reaches from outside, and trees", () => {
    const scaled = (scale: Tensor) => {
      const piece = checkpoint(({ x, n }: { x: Tensor; n: Tensor }) => ({ y: x.mul(scale).sin(), n: n.add(1) }));
      const { y, n } = piece({ x: tensor([1, 2]), n: tensor(1, { dtype: "i32" }) });
      return y.sum().mul(n.cast("f32"));
    };
    const expected = 2 * (Math.cos(3) + 2 * Math.cos(6));
    expect(grad(scaled)(tensor(3)).itemSync()).toBeCloseTo(expected, 5);
  });

  it("leaves a loop over checkpointed steps only its carry to keep", () => {
    const types = [{ shape: [3, 3], dtype: "f64" } as const, { shape: [9, 2, 3], dtype: "f64" } as const];
    const looped = (step: Layer) => (w: Tensor, xs: Tensor) =>
      scan((h: Tensor, x: Tensor) => [step(h.add(x), w), undefined] as const, xs.at(0), xs)[0].sum();
    expectSame(gradOf(looped(checkpoint(layer))), gradOf(looped(layer)), types);
    const stacked = (step: Layer) => {
      const loops = trace((w, x) => gradOf(looped(step))(w, x), types).instructions.filter(
        (i) => i.primitive === "scan",
      );
      return loops[0]!.outputs.filter(({ shape }) => shape.length === 3).length;
    };
    expect(stacked(checkpoint(layer))).toBe(1);
    expect(stacked(layer)).toBeGreaterThan(1);
  });
});
