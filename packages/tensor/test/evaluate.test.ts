/** Evaluation: what is computed when, what is cached, what is let go. */
import type { Backend, Program } from "@weft/tensor";
import { Tensor, currentBackend, realize, setBackend, tensor, trace } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { afterEach, describe, expect, it } from "vitest";

/** Counts compilations and runs. */
function counting(synchronous = true): { backend: Backend; compiled: Program[]; runs: () => number } {
  const reference = createReferenceBackend();
  const compiled: Program[] = [];
  let runs = 0;
  const backend: Backend = {
    name: "counting",
    synchronous,
    compile: (program, options) => {
      compiled.push(program);
      const executable = reference.compile(program, options);
      return {
        run: (inputs) => {
          runs++;
          return synchronous ? executable.run(inputs) : Promise.resolve(executable.run(inputs));
        },
        dispose: () => executable.dispose(),
      };
    },
  };
  return { backend, compiled, runs: () => runs };
}

const reference = createReferenceBackend();
afterEach(() => setBackend(reference));

describe("evaluation", () => {
  it("computes nothing before it is asked", async () => {
    const { backend, compiled, runs } = counting();
    setBackend(backend);
    const y = tensor([1, 2, 3]).mul(2).sum();
    expect(runs()).toBe(0);
    expect([...(await y.data())]).toEqual([12]);
    expect([compiled.length, runs()]).toEqual([1, 1]);
    await y.data();
    expect(runs(), "a value is computed once").toBe(1);
  });

  it("compiles graphs of one structure once, whatever their values", async () => {
    const { backend, compiled } = counting();
    setBackend(backend);
    const results: number[] = [];
    for (let i = 0; i < 5; i++) results.push(await tensor([i, 1]).mul(2).sum().item());
    expect(results).toEqual([2, 4, 6, 8, 10]);
    expect(compiled.length).toBe(1);
    await tensor([1, 2, 3]).mul(2).sum().data();
    await tensor([1, 2]).mul(3).sum().data();
    expect(compiled.length, "another shape and another constant are other structures").toBe(3);
  });

  it("keeps apart constants that JSON would merge", () => {
    const x = tensor([1]);
    expect(x.div(0).itemSync()).toBe(Infinity);
    expect(x.div(-0).itemSync()).toBe(-Infinity);
    expect(x.mul(NaN).itemSync()).toBeNaN();
    expect(x.mul(Infinity).itemSync()).toBe(Infinity);
  });

  it("computes what several tensors share once", async () => {
    const { backend, compiled, runs } = counting();
    setBackend(backend);
    const shared = tensor([1, 2]).exp();
    const [a, b] = [shared.add(1), shared.mul(2)];
    await realize(a, b);
    expect(runs()).toBe(1);
    expect(compiled[0]?.instructions.filter(({ primitive }) => primitive === "exp").length).toBe(1);
    expect([a.node.kind, b.node.kind]).toEqual(["data", "data"]);
  });

  it("lets go of the graph behind a computed tensor", async () => {
    const x = tensor([1, 2]);
    const y = x.mul(3);
    expect(y.node.kind).toBe("operation");
    await y.data();
    expect(y.node.kind).toBe("data");
  });

  it("survives a graph 100,000 nodes deep", () => {
    let x = tensor([0, 1]);
    for (let i = 0; i < 100_000; i++) x = x.add(1);
    expect([...x.dataSync()]).toEqual([100_000, 100_001]);
  });

  it("answers later on a backend that is not synchronous, and says so when asked at once", async () => {
    const { backend } = counting(false);
    setBackend(backend);
    expect([...(await tensor([1, 2]).add(1).data())]).toEqual([2, 3]);
    expect(() => tensor([1, 2]).add(1).dataSync()).toThrow(
      "the counting backend answers asynchronously; await x.data()",
    );
  });

  it("takes values from one backend to another", () => {
    const x = tensor([1, 2]).add(1);
    x.dataSync();
    const { backend, runs } = counting();
    setBackend(backend);
    expect(currentBackend()).toBe(backend);
    expect([...x.mul(2).dataSync()]).toEqual([4, 6]);
    expect(runs()).toBe(1);
  });

  it("refuses to read an argument of a traced function, and says what to do", () => {
    expect(() => trace((x) => tensor([x.itemSync()]), [{ shape: [], dtype: "f32" }])).toThrow(
      "inside a traced function, where arguments have a shape but no values yet; return it from the function",
    );
    expect(() => trace((x) => tensor([...x.add(1).dataSync()]), [{ shape: [2], dtype: "f32" }])).toThrow(
      expect.objectContaining({ code: "trace" }),
    );
  });

  it("reads into memory that is there, and leaves the tensor's own values alone", async () => {
    const known = tensor([1, 2, 3]);
    const room = new Float32Array(5).fill(9);
    const part = room.subarray(1, 4);
    expect(await known.data(part)).toBe(part);
    expect([...room]).toEqual([9, 1, 2, 3, 9]);
    part.fill(0);
    expect([...known.dataSync()]).toEqual([1, 2, 3]);
    expect([...known.mul(2).dataSync(part)], "what was not computed yet is").toEqual([2, 4, 6]);
  });

  it("refuses memory of another size or dtype, and says of which it must be", async () => {
    const expected = "expected a Int32Array of 2 elements to read into, got a ";
    const pair = tensor(Int32Array.of(1, 2));
    expect(() => pair.dataSync(new Int32Array(3))).toThrow(`${expected}Int32Array of 3 elements; give one like it`);
    await expect(pair.add(1).data(new Float32Array(2))).rejects.toThrow(`${expected}Float32Array of 2 elements`);
    await expect(pair.data(new Int32Array(0))).rejects.toThrow(expect.objectContaining({ code: "shape" }));
  });

  it("asks for one element where one number is read", () => {
    expect(() => tensor([1, 2]).itemSync()).toThrow("item: expected one element, got f32[2]");
  });

  it("methods belong to every tensor", () => {
    expect(tensor([1])).toBeInstanceOf(Tensor);
    expect(Object.keys(tensor([1]))).not.toContain("add");
  });
});
