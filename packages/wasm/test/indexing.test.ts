/** randomBits, gather and scatterAdd alone, over several tiles: the reference's values, however the tiles are divided. */
import type { Primitive, PrimitiveParams, Program, Shape, TensorData, TensorType } from "@weft/tensor";
import { infer, sizeOf } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { describe, expect, it } from "vitest";
import type { KernelFactory } from "../src/kernel.ts";
import { gatherKernel, scatterAddKernel } from "../src/kernels/gather.ts";
import { randomBitsKernel } from "../src/kernels/randomBits.ts";
import { randomFloats } from "./randomData.ts";
import { runKernel } from "./runKernel.ts";

interface Operand extends TensorType {
  readonly data: TensorData;
}

const floats = (shape: Shape, seed: number): Operand => ({
  shape,
  dtype: "f32",
  data: randomFloats(sizeOf(shape), seed),
});
/** Some of them outside 0..length-1, and many repeated. */
const indices = (shape: Shape, length: number): Operand => ({
  shape,
  dtype: "i32",
  data: Int32Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 7919) % (length + 4)) - 2),
});

function check<P extends Exclude<Primitive, "scan">>(
  primitive: P,
  factory: KernelFactory<P>,
  params: PrimitiveParams[P],
  operands: readonly Operand[],
): void {
  const outputs = infer(primitive, operands, params);
  const instruction = { primitive, params, inputs: operands.map((_, i) => i), outputs };
  const program = { inputs: operands, literals: [], instructions: [instruction], outputs: [operands.length] };
  const data = operands.map((operand) => operand.data);
  const [want] = createReferenceBackend()
    .compile(program as unknown as Program)
    .run(data) as [TensorData];
  const kernel = factory(operands, params);
  expect(kernel.tiles).toBeGreaterThan(1);
  for (const splits of [[], [1], Array.from({ length: kernel.tiles }, (_, i) => i)]) {
    const got = runKernel(kernel, data, outputs[0]!, splits);
    if (want instanceof Float32Array && primitive === "scatterAdd") {
      want.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
    } else {
      expect(got).toEqual(want);
    }
  }
}

describe("randomBits", () => {
  const keys = (count: number): Operand => ({
    shape: [count, 2],
    dtype: "u32",
    data: Uint32Array.from({ length: 2 * count }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 0),
  });
  for (const [count, shape] of [
    [1, [20_000]],
    [3, [8195]],
    [5, [3, 3]],
    [2, [1]],
  ] as const) {
    it(`gives ${count} keys their own ${shape.join("×")} words`, () => {
      check("randomBits", randomBitsKernel, { shape }, [keys(count)]);
    });
  }
});

describe("gather and scatterAdd", () => {
  for (const inner of [1, 3, 4, 7, 32, 90]) {
    it(`pick and add rows of ${inner} elements, with batches and repeated indices`, () => {
      const params = { axis: 2, batchDims: 1 };
      const operand = floats([2, 3, 11, inner], 1);
      const picks = indices([2, 50], 11);
      check("gather", gatherKernel, params, [operand, picks]);
      check("scatterAdd", scatterAddKernel, params, [operand, picks, floats([2, 3, 50, inner], 2)]);
    });
  }
});
