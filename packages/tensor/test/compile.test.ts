/** Compiled steps: traced once, run many times, donated memory. */
import type { Tensor } from "@weft/tensor";
import { compile, grad, release, setBackend, tensor } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { describe, expect, it } from "vitest";

interface State {
  readonly w: Tensor;
  readonly m: Tensor;
}

const values = (x: Tensor) => [...x.dataSync()];
const start = (): State => ({ w: tensor([1, 2]), m: tensor([0, 0]) });
const update = ({ w, m }: State, x: Tensor): State => {
  const next = m.mul(0.5).add(x);
  return { m: next, w: w.sub(next) };
};

describe("compile", () => {
  it("traces once per input types and structure", () => {
    let traces = 0;
    const double = compile((tree: { a: Tensor }) => {
      traces++;
      return [tree.a.mul(2), tree.a.sum()] as const;
    });
    expect(double({ a: tensor([1, 2]) }).map(values)).toEqual([[2, 4], [3]]);
    expect(double({ a: tensor([5, 6]) }).map(values)).toEqual([[10, 12], [11]]);
    expect(traces).toBe(1);
    double({ a: tensor([1, 2, 3]) });
    double({ a: tensor([1, 2], { dtype: "i32" }) });
    expect(traces).toBe(3);
  });

  it("computes what the plain function computes, in the same tree", () => {
    const step = compile(update);
    const [got, want] = [step(start(), tensor([1, 1])), update(start(), tensor([1, 1]))];
    expect(Object.keys(got).toSorted()).toEqual(["m", "w"]);
    expect([values(got.w), values(got.m)]).toEqual([values(want.w), values(want.m)]);
  });

  it("takes arguments that are not computed yet", () => {
    const step = compile((x: Tensor) => x.add(1));
    expect(values(step(tensor([1]).mul(5)))).toEqual([6]);
  });

  it("is simply called inside a gradient or another compiled function", () => {
    const square = compile((x: Tensor) => x.mul(x).sum());
    expect(values(grad(square)(tensor([1, 2])))).toEqual([2, 4]);
    expect(values(compile((x: Tensor) => square(x).add(1))(tensor([1, 2])))).toEqual([6]);
  });

  it("compiles anew when the backend changes", () => {
    let traces = 0;
    const step = compile((x: Tensor) => {
      traces++;
      return x.add(1);
    });
    step(tensor([1]));
    setBackend(createReferenceBackend());
    expect(values(step(tensor([1])))).toEqual([2]);
    expect(traces).toBe(2);
  });

  it("refuses arguments that are not trees of tensors", () => {
    const step = compile((x: { n: unknown }) => x.n as Tensor);
    expect(() => step({ n: 5 })).toThrow("wrap numbers with tensor(...)");
  });
});

describe("donation", () => {
  it("goes on from step to step", () => {
    const step = compile(update, { donate: [0] });
    let state = start();
    for (let i = 0; i < 5; i++) state = step(state, tensor([1, 0]));
    let plain = start();
    for (let i = 0; i < 5; i++) plain = update(plain, tensor([1, 0]));
    expect([values(state.w), values(state.m)]).toEqual([values(plain.w), values(plain.m)]);
  });

  it("leaves results readable between steps, again and again", () => {
    const step = compile(update, { donate: [0] });
    const state = step(start(), tensor([1, 1]));
    expect(values(state.w)).toEqual([0, 1]);
    expect(values(state.w.add(1))).toEqual([1, 2]);
    expect(values(step(state, tensor([0, 0])).w)).toEqual([-0.5, 0.5]);
  });

  it("says that a donated tensor is gone, directly and behind other tensors", () => {
    const step = compile(update, { donate: [0] });
    const first = start();
    const later = first.w.add(1);
    const second = step(first, tensor([1, 1]));
    step(second, tensor([1, 1]));
    const gone = /donated to a compiled step, which reuses its memory; use the step's result instead/;
    expect(() => first.w.dataSync()).toThrow(expect.objectContaining({ code: "donated" }));
    expect(() => first.w.dataSync()).toThrow(gone);
    expect(() => second.w.dataSync()).toThrow(gone);
    expect(() => later.dataSync()).toThrow(gone);
    expect(() => first.w.dataSync(new Float32Array(2))).toThrow(gone);
    expect(() => step(first, tensor([1, 1]))).toThrow(gone);
  });

  it("does not save what was released, and says so of it", () => {
    const step = compile(update, { donate: [0] });
    const mine = step(start(), tensor([1, 1]));
    release([mine.w]);
    const yours = step({ w: tensor([9, 9]), m: tensor([0, 0]) }, tensor([2, 2]));
    expect(values(yours.w)).toEqual([7, 7]);
    expect(() => mine.w.dataSync()).toThrow("got one that was released, or donated");
    expect(values(mine.m), "what was not is kept").toEqual([1, 1]);
  });

  it("keeps results that were not given back when the step runs for somebody else", () => {
    const step = compile(update, { donate: [0] });
    const mine = step(start(), tensor([1, 1]));
    const yours = step({ w: tensor([9, 9]), m: tensor([0, 0]) }, tensor([1, 1]));
    expect(values(mine.w)).toEqual([0, 1]);
    expect(values(yours.w)).toEqual([8, 8]);
    expect(values(step(mine, tensor([0, 0])).w)).toEqual([-0.5, 0.5]);
    expect(values(step(yours, tensor([0, 0])).w)).toEqual([7.5, 7.5]);
  });

  it("allows one tensor in several places, donated or not", () => {
    const both = compile(({ w, m }: State, x: Tensor) => ({ w: w.add(x), m: m.mul(2).add(x) }), { donate: [0] });
    const x = tensor([1, 2]);
    const first = both({ w: x, m: x }, tensor([1, 1]));
    expect([values(first.w), values(first.m)]).toEqual([
      [2, 3],
      [3, 5],
    ]);
    const swapped = both({ w: first.m, m: first.w }, first.w);
    expect([values(swapped.w), values(swapped.m)]).toEqual([
      [5, 8],
      [6, 9],
    ]);
  });
});
