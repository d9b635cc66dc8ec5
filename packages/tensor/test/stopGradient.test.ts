/** `stopGradient`: a value for whoever reads it, a constant for whoever differentiates. */
import type { Tensor } from "@weft/tensor";
import { apply, grad, simplify, softmax, stopGradient, tensor, trace, vmap } from "@weft/tensor";
import { decode, encode } from "@weft/tensor/programs";
import { describe, expect, it } from "vitest";

const values = (x: Tensor) => [...x.dataSync()];
const partly = (x: Tensor) => x.mul(stopGradient(x)).sum();

describe("stopGradient", () => {
  it("is the identity on every dtype", () => {
    expect(values(stopGradient(tensor([1.5, -2])))).toEqual([1.5, -2]);
    expect(values(tensor([1, 2], { dtype: "i32" }).stopGradient())).toEqual([1, 2]);
  });

  it("hides its operand from gradients of every order", () => {
    expect(values(grad(partly)(tensor([1, 2, 3])))).toEqual([1, 2, 3]);
    const slope = (x: Tensor) => grad(partly)(x).sum();
    expect(values(grad(slope)(tensor([1, 2, 3])))).toEqual([0, 0, 0]);
  });

  it("keeps doing so in a Program that came as bytes, and under vmap", () => {
    const program = decode(encode(trace(partly, [{ shape: [2], dtype: "f32" }])));
    const travelled = (x: Tensor) => apply(program, [x])[0] as Tensor;
    const rows = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(values(vmap(grad(travelled))(rows))).toEqual([1, 2, 3, 4]);
    expect(values(grad((x: Tensor) => vmap(travelled)(x).sum())(rows))).toEqual([1, 2, 3, 4]);
  });

  it("leaves nothing behind in the schedule", () => {
    const { instructions } = simplify(trace(partly, [{ shape: [2], dtype: "f32" }]));
    expect(instructions.map(({ primitive }) => primitive)).toEqual(["mul", "sum"]);
  });

  it("keeps the shift of a softmax out of its gradient", () => {
    const program = trace(
      grad((x: Tensor) => softmax(x).square().sum()),
      [{ shape: [5], dtype: "f32" }],
    );
    const comparisons = program.instructions.filter((i) => i.primitive === "compare" && i.params.op === "eq");
    expect(comparisons).toEqual([]);
  });
});
