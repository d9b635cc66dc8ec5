/** f16: its rounding and bits, what operations give in it, and engines that have no Float16Array. */
import { bind, compile, grad, key, normal, setBackend, tensor, trace, uniform, vmap } from "@weft/tensor";
import { decode, describe as textOf, encode } from "@weft/tensor/programs";
import { createReferenceBackend } from "@weft/tensor/reference";
import type * as Weft from "@weft/tensor";
import type * as Programs from "@weft/tensor/programs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { f16round, halfBits, halfValue, roundToHalf } from "../src/half.ts";

const everyHalf = new Float16Array(new Uint16Array(65536).map((_, bits) => bits).buffer);

describe("half precision by arithmetic", () => {
  it("has the value and the bits of each of the 65,536 halves", () => {
    everyHalf.forEach((value, bits) => {
      if (!Object.is(halfValue(bits), value)) expect.fail(`bits ${bits} are ${value}, not ${halfValue(bits)}`);
      const expected = Number.isNaN(value) ? 0x7e00 : bits;
      if (halfBits(value) !== expected) expect.fail(`${value} has bits ${expected}, not ${halfBits(value)}`);
    });
  });

  it("rounds as the engine does, at every half, every tie and beside every tie", () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      const [low, high] = [halfValue(bits), bits === 0x7bff ? 65536 : halfValue(bits + 1)];
      const tie = (low + high) / 2;
      for (const x of [low, tie, tie * (1 - 2 ** -50), tie * (1 + 2 ** -50), -tie, -low]) {
        if (!Object.is(roundToHalf(x), Math.f16round(x)))
          expect.fail(`${x} is ${Math.f16round(x)}, not ${roundToHalf(x)}`);
      }
    }
    for (const x of [NaN, Infinity, -Infinity, 1e308, 5e-324, -5e-324]) expect(roundToHalf(x)).toBe(Math.f16round(x));
    expect(f16round).toBe(Math.f16round);
  });
});

describe("tensors of f16", () => {
  it("are read as a Float16Array, and made from one", async () => {
    const x = tensor([1, 2049, 0.1], { dtype: "f16" });
    expect(await x.data()).toEqual(Float16Array.of(1, 2048, Math.f16round(0.1)));
    expect(tensor(Float16Array.of(1)).dtype).toBe("f16");
    expect(x.cast("f32").dataSync()).toEqual(Float32Array.of(1, 2048, Math.f16round(0.1)));
  });

  it("do not mix with f32, and the error says how they would", () => {
    const [x, y] = [tensor([1], { dtype: "f16" }), tensor([1])];
    expect(() => x.add(y)).toThrow(/f16\[1\] and f32\[1\]; cast one of them/);
    expect(() => x.expandDims(0).matmul(y.expandDims(0))).toThrow(/one numeric dtype/);
    expect(x.add(0.5).dtype).toBe("f16");
  });

  it("overflow to infinity and underflow to 0 where f32 would not", () => {
    const x = tensor([300, 1e-4], { dtype: "f16" });
    expect(x.square().dataSync()).toEqual(Float16Array.of(Infinity, 0));
    expect(x.cast("f32").square().cast("f16").greater(0).dataSync()).toEqual(Uint8Array.of(1, 0));
  });

  it("have means, norms, variances and softmaxes beyond the range of their sums", () => {
    const x = tensor(new Float32Array(4000).fill(100), { dtype: "f16" });
    expect(x.sum().itemSync()).toBe(Infinity);
    expect(x.mean().itemSync()).toBe(100);
    expect(x.norm().itemSync()).toBe(Math.f16round(100 * Math.sqrt(4000)));
    expect(
      x
        .mul(tensor([1]).cast("f16"))
        .variance()
        .itemSync(),
    ).toBe(0);
    expect(x.softmax().sum().itemSync()).toBeCloseTo(1, 2);
    expect(x.logSumExp().itemSync()).toBe(Math.f16round(100 + Math.log(4000)));
  });

  it("draw random numbers in f32 and round them", () => {
    const [normals, uniforms] = [normal(key(1), [64], { dtype: "f16" }), uniform(key(1), [64], { dtype: "f16" })];
    expect(normals.dataSync()).toEqual(new Float16Array(normal(key(1), [64]).dataSync()));
    expect(uniforms.dataSync()).toEqual(new Float16Array(uniform(key(1), [64]).dataSync()));
  });

  it("have gradients of f16; a cast carries the gradient back to the dtype that it came from", () => {
    const half = grad((x: Weft.Tensor) => x.mul(x).sum())(tensor([0.1, 3], { dtype: "f16" }));
    expect(half.dataSync()).toEqual(Float16Array.of(2 * Math.f16round(0.1), 6));
    const master = grad((x: Weft.Tensor) => x.cast("f16").mul(3).cast("f32").sum())(tensor([0.1]));
    expect(master.dataSync()).toEqual(Float32Array.of(3));
    const rounded = grad((x: Weft.Tensor) => bind("f16round", [x], {}).mul(3).sum())(tensor([0.1]));
    expect(rounded.dataSync()).toEqual(Float32Array.of(3));
    const rows = vmap(grad((x: Weft.Tensor) => x.square().sum()))(tensor([[1], [2]], { dtype: "f16" }));
    expect(rows.dataSync()).toEqual(Float16Array.of(2, 4));
  });

  it("travel in programs: described, encoded, decoded, two bytes for each element of a literal", () => {
    const table = tensor(
      Array.from({ length: 1000 }, (_, i) => i / 7),
      { dtype: "f16" },
    );
    const program = trace((x) => x.cast("f16").add(table).mul(0.1), [{ shape: [1000], dtype: "f32" }]);
    expect(textOf(program)).toContain("f16[1000] = cast %0");
    const bytes = encode(program);
    expect(bytes.length).toBeLessThan(2200);
    expect(textOf(decode(bytes))).toBe(textOf(program));
    expect(decode(bytes).literals[0]?.data).toEqual(table.dataSync());
  });

  it("may be donated", () => {
    const step = compile((x: Weft.Tensor) => x.mul(2), { donate: [0] });
    let x = tensor([0.1], { dtype: "f16" });
    for (let i = 0; i < 3; i++) x = step(x);
    expect(x.dataSync()).toEqual(Float16Array.of(8 * Math.f16round(0.1)));
  });
});

describe("an engine without Float16Array", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
    setBackend(createReferenceBackend());
  });

  it("computes the same values, and gives them as a Float32Array", async () => {
    const values = [0.1, 2049, 65519, 70000, 1e-7];
    const compute = (weft: typeof Weft, programs: typeof Programs) => {
      const x = weft.tensor(values, { dtype: "f16" });
      const table = weft.tensor([1 / 3, 1, 1, 1, 1], { dtype: "f16" });
      const program = weft.trace((y) => [y.div(3).add(table), y.sum()], [x]);
      const decoded = programs.decode(programs.encode(program));
      return weft.apply(decoded, [x]).flatMap((result) => [...result.dataSync()]);
    };
    const expected = compute(await import("@weft/tensor"), await import("@weft/tensor/programs"));
    vi.resetModules();
    vi.stubGlobal("Float16Array", undefined);
    const without = await import("@weft/tensor");
    expect(compute(without, await import("@weft/tensor/programs"))).toEqual(expected);
    expect(await without.tensor(values, { dtype: "f16" }).data()).toBeInstanceOf(Float32Array);
    expect(without.full([2], 0.1, { dtype: "f16" }).dataSync()[0]).toBe(Math.f16round(0.1));
  });
});
