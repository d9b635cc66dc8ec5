/** Tensors from values. */
import { adopt, arange, eye, full, linspace, ones, scalar, tensor, zeros } from "@weft/tensor";
import { describe, expect, it } from "vitest";

describe("tensor", () => {
  it("takes shape and dtype from nested arrays", () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect([x.shape, x.dtype]).toEqual([[2, 3], "f32"]);
    expect(tensor([[true], [false]]).dtype).toBe("bool");
    expect(tensor([[], []]).shape).toEqual([2, 0]);
    expect(tensor(5).shape).toEqual([]);
  });

  it("takes the dtype of a typed array, and i32 for small integers", () => {
    expect(tensor(new Float32Array(2)).dtype).toBe("f32");
    expect(tensor(new Float64Array(2)).dtype).toBe("f64");
    expect(tensor(new Uint32Array(2)).dtype).toBe("u32");
    expect(tensor(new Uint8Array([255, 1])).dtype).toBe("i32");
    const pixels = tensor(new Uint8Array([255, 1]), { dtype: "f32", shape: [1, 2] });
    expect(pixels.dataSync()).toEqual(new Float32Array([255, 1]));
  });

  it("copies what it is given and what it gives", () => {
    const source = new Float32Array([1, 2]);
    const x = tensor(source);
    source[0] = 9;
    x.dataSync()[1] = 9;
    expect(x.dataSync()).toEqual(new Float32Array([1, 2]));
  });

  it("refuses ragged rows, naming the lengths", () => {
    expect(() => tensor([[1, 2], [3]])).toThrow("rows differ in length, 2 and 1 at depth 1");
    expect(() => tensor([1, [2]])).toThrow("rows differ in length");
    expect(() => tensor([[1], 2])).toThrow("a number stands where a row of 1 was expected");
  });

  it("refuses a shape that the values do not fill", () => {
    expect(() => tensor([1, 2, 3], { shape: [2, 2] })).toThrow("shape [2,2] holds 4 values, got 3");
    expect(() => adopt(new Float32Array(3), { shape: [2], dtype: "f32" })).toThrow("adopt: expected 2 elements");
  });

  it("refuses numbers that an integer dtype cannot hold", () => {
    expect(() => tensor([1.5], { dtype: "i32" })).toThrow("1.5 is not an i32");
    expect(() => tensor([-1], { dtype: "u32" })).toThrow("-1 is not an u32");
  });
});

describe("filled and counting tensors", () => {
  it("have the values that their names say", () => {
    expect([...zeros([2]).dataSync()]).toEqual([0, 0]);
    expect([...ones([2], { dtype: "i32" }).dataSync()]).toEqual([1, 1]);
    expect([...full([2], true).dataSync()]).toEqual([1, 1]);
    expect([...arange(4).dataSync()]).toEqual([0, 1, 2, 3]);
    expect([...arange(1, 2, { step: 0.25 }).dataSync()]).toEqual([1, 1.25, 1.5, 1.75]);
    expect([...arange(5, 0, { step: -2 }).dataSync()]).toEqual([5, 3, 1]);
    expect([...linspace(0, 1, 5).dataSync()]).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect([...eye(2, 3).dataSync()]).toEqual([1, 0, 0, 0, 1, 0]);
    expect(scalar(3).itemSync()).toBe(3);
  });
});

describe("text", () => {
  it("is short, and says when nothing is computed yet", () => {
    const x = tensor([1, 2.5, 3]);
    expect(String(x)).toBe("f32[3] [1, 2.5, 3]");
    expect(String(x.add(1))).toBe("f32[3] (add, not computed yet)");
    expect(String(arange(100).cast("f32").add(tensor(0)))).toBe("f32[100] (add, not computed yet)");
    expect(String(tensor(new Float32Array(100)))).toBe("f32[100] [0, 0, 0, 0, 0, 0, 0, 0, …]");
  });
});
