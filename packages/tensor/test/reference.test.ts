/** The reference kernels against expectations worked out by hand. */
import type { OneResult, PrimitiveParams, TensorData } from "@weft/tensor";
import { bind, tensor } from "@weft/tensor";
import { describe, expect, it } from "vitest";
import { erf } from "../src/reference/erf.ts";
import { threefry } from "../src/reference/threefry.ts";

const i32 = (values: number[]) => tensor(values, { dtype: "i32" });
const run = <P extends OneResult>(
  primitive: P,
  inputs: Parameters<typeof bind>[1],
  params: PrimitiveParams[P],
): number[] => Array.from(bind(primitive, inputs, params).dataSync());

describe("arithmetic", () => {
  it("rounds every f32 result to f32", () => {
    expect(run("add", [tensor([0.1]), tensor([0.2])], {})).toEqual([Math.fround(Math.fround(0.1) + Math.fround(0.2))]);
  });

  it("rounds halves to the even number", () => {
    expect(run("round", [tensor([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6])], {})).toEqual([0, 2, 2, -0, -2, 2, 3]);
  });

  it("divides integers towards zero, and by zero to zero", () => {
    expect(run("div", [i32([7, -7, 5]), i32([2, 2, 0])], {})).toEqual([3, -3, 0]);
    expect(run("rem", [i32([7, -7, 5]), i32([2, 2, 0])], {})).toEqual([1, -1, 0]);
  });

  it("wraps integer products", () => {
    expect(run("mul", [i32([65537]), i32([65537])], {})).toEqual([131073]);
  });

  it("saturates casts to integers and sends NaN to 0", () => {
    const x = tensor([1.9, -1.9, 3e9, -Infinity, NaN]);
    expect(run("cast", [x], { dtype: "i32" })).toEqual([1, -1, 2147483647, -2147483648, 0]);
    expect(run("cast", [x], { dtype: "u32" })).toEqual([1, 0, 3000000000, 0, 0]);
    expect(run("cast", [x], { dtype: "bool" })).toEqual([1, 1, 1, 1, 1]);
  });

  it("has erf to double precision", () => {
    // Abramowitz and Stegun, table 7.1
    const table: readonly [number, number][] = [
      [0.1, 0.112462916018284892],
      [0.5, 0.520499877813046537],
      [1, 0.842700792949714869],
      [2, 0.995322265018952734],
      [2.6, 0.99976396558347065],
      [3, 0.999977909503001414],
    ];
    for (const [x, y] of table) {
      expect(Math.abs(erf(x) - y)).toBeLessThan(3e-16);
      expect(erf(-x)).toBe(-erf(x));
    }
  });
});

describe("reductions and order", () => {
  it("lets NaN win a maximum and names the first of equal ones", () => {
    expect(run("reduceMax", [tensor([1, NaN, 3])], { axes: [0] })).toEqual([NaN]);
    expect(run("argmax", [tensor([1, 3, 3])], { axis: 0 })).toEqual([1]);
    expect(run("argmax", [tensor([5, NaN, NaN])], { axis: 0 })).toEqual([1]);
  });

  it("reduces nothing to 0 and to -infinity", () => {
    const empty = tensor(new Float32Array(0), { shape: [2, 0] });
    expect(run("sum", [empty], { axes: [1] })).toEqual([0, 0]);
    expect(run("reduceMax", [empty], { axes: [1] })).toEqual([-Infinity, -Infinity]);
  });

  it("sorts stably, with NaN as the greatest", () => {
    const x = tensor([2, NaN, 1, 2, -Infinity]);
    expect(run("argsort", [x], { axis: 0, descending: false })).toEqual([4, 2, 0, 3, 1]);
    expect(run("argsort", [x], { axis: 0, descending: true })).toEqual([1, 0, 3, 2, 4]);
  });

  it("sums along the way, from either end", () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(run("cumsum", [x], { axis: 1, reverse: false })).toEqual([1, 3, 6, 4, 9, 15]);
    expect(run("cumsum", [x], { axis: 1, reverse: true })).toEqual([6, 5, 3, 15, 11, 6]);
    expect(run("cumsum", [x], { axis: 0, reverse: false })).toEqual([1, 2, 3, 5, 7, 9]);
  });
});

describe("movement", () => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);

  it("transposes, slices, reverses, broadcasts and pads", () => {
    expect(run("transpose", [x], { permutation: [1, 0] })).toEqual([1, 4, 2, 5, 3, 6]);
    expect(run("slice", [x], { start: [0, 0], stop: [2, 3], step: [1, 2] })).toEqual([1, 3, 4, 6]);
    expect(run("reverse", [x], { axes: [1] })).toEqual([3, 2, 1, 6, 5, 4]);
    expect(run("broadcast", [tensor([1, 2])], { shape: [2, 3], axes: [0] })).toEqual([1, 1, 1, 2, 2, 2]);
    const padding = { low: [0, 1], high: [0, 0], interior: [0, 1] };
    expect(run("pad", [x, tensor(9)], padding)).toEqual([9, 1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 6]);
    expect(run("concat", [x, tensor([[7], [8]])], { axis: 1 })).toEqual([1, 2, 3, 7, 4, 5, 6, 8]);
    expect(run("iota", [], { shape: [2, 3], dtype: "i32", axis: 1 })).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it("gathers with clamped indices, and adds up repeated ones when scattering", () => {
    expect(run("gather", [x, i32([1, 0, 9, -9])], { axis: 0, batchDims: 0 })).toEqual([
      4, 5, 6, 1, 2, 3, 4, 5, 6, 1, 2, 3,
    ]);
    expect(run("gather", [x, i32([2, 0])], { axis: 1, batchDims: 1 })).toEqual([3, 4]);
    const updates = tensor([
      [1, 10],
      [100, 1000],
    ]);
    const indices = tensor(
      [
        [0, 0],
        [2, 1],
      ],
      { dtype: "i32" },
    );
    expect(run("scatterAdd", [x, indices, updates], { axis: 1, batchDims: 1 })).toEqual([12, 2, 3, 4, 1005, 106]);
  });
});

describe("contractions and windows", () => {
  it("orders the axes of a dot as batch, left, right", () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    const y = tensor([
      [5, 6],
      [7, 8],
    ]);
    const plain = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
    expect(run("dot", [x, y], plain)).toEqual([19, 22, 43, 50]);
    const batched = { lhsBatch: [0], rhsBatch: [0], lhsContract: [1], rhsContract: [1] };
    expect(run("dot", [x, y], batched)).toEqual([17, 53]);
  });

  it("correlates without flipping the kernel", () => {
    const params = { strides: [1], padding: [[1, 0]], dilation: [1], groups: 1 } as const;
    const x = tensor([[[1], [2], [3]]]);
    const kernel = tensor([[[10]], [[1]]]);
    expect(run("conv", [x, kernel], params)).toEqual([1, 12, 23]);
    const dy = tensor([[[1], [1], [1]]]);
    expect(run("convInputGradient", [dy, kernel], { ...params, inputSpatial: [3] })).toEqual([11, 11, 1]);
    expect(run("convKernelGradient", [x, dy], { ...params, kernelSpatial: [2] })).toEqual([3, 6]);
  });

  it("takes window maxima, and routes back to the first of them", () => {
    const params = { window: [2], strides: [2], padding: [[0, 1]] } as const;
    const x = tensor([3, 3, 1, 2, 7]);
    expect(run("windowMax", [x], params)).toEqual([3, 2, 7]);
    expect(run("windowSum", [x], params)).toEqual([6, 3, 7]);
    expect(run("windowScatter", [x, tensor([10, 20, 30])], params)).toEqual([10, 0, 0, 20, 30]);
    expect(run("windowGather", [x, tensor([1, 2, 3, 4, 5])], params)).toEqual([1, 4, 5]);
  });
});

describe("random bits", () => {
  it("are those of Random123's known answers", () => {
    expect(threefry([0, 0], [0, 0])).toEqual([0x6b200159, 0x99ba4efe]);
    const ones = 0xffffffff;
    expect(threefry([ones, ones], [ones, ones])).toEqual([0x1cb996fc, 0xbb002be7]);
    expect(threefry([0x13198a2e, 0x03707344], [0x243f6a88, 0x85a308d3])).toEqual([0xc4923a9c, 0x483df7a0]);
  });

  it("give element i word i mod 2 of the block at counter (i div 2, 0), for each key", () => {
    const keys = tensor(new Uint32Array([1, 2, 3, 4]), { shape: [2, 2] });
    const expected = [
      [1, 2],
      [3, 4],
    ].flatMap((key) => [0, 1, 2].flatMap((block) => threefry(key as [number, number], [block, 0])).slice(0, 5));
    expect(run("randomBits", [keys], { shape: [5] })).toEqual(expected);
  });
});

it("computes in f64 with nothing lost", async () => {
  const x = tensor([0.1, 0.2], { dtype: "f64" });
  const data: TensorData = await x.sum().data();
  expect(data).toEqual(new Float64Array([0.1 + 0.2]));
});
