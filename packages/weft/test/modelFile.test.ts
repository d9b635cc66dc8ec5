import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apply, dense, initialize, relu, sequential } from "@weft/nn";
import { fromPyTorch, toPyTorch } from "@weft/nn/saving";
import { adam } from "@weft/optim";
import { createOptimizer } from "@weft/optim/createOptimizer";
import type { Tensor } from "@weft/tensor";
import { key, normal, tensor } from "@weft/tensor";
import type { SafeTensor } from "@weft/vector";
import { encodeSafetensors } from "@weft/vector";
import { ModelFileError, loadModel, saveModel } from "weft";

let directory = "";
const at = (name: string) => join(directory, name);
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-model-"));
});
afterAll(() => rm(directory, { recursive: true }));

const write = (name: string, tensors: readonly SafeTensor[], metadata: Record<string, string> = {}) =>
  writeFile(at(name), encodeSafetensors(tensors, metadata));
const valuesOf = (tensors: Iterable<Tensor>) => [...tensors].map((each) => [...each.dataSync()]);

test("training goes on from a file to the same bits", async () => {
  const model = sequential(dense({ features: 4 }), relu, dense({ features: 2 }));
  const parameters = initialize(model, key(1), { shape: [1, 3], dtype: "f32" });
  const names = Object.keys(parameters);
  const optimizer = adam({ learningRate: 0.1 });
  const step = (values: readonly Tensor[], state: readonly Tensor[]) =>
    optimizer.update(
      values,
      values.map((each) => each.mul(0.5).add(1)),
      state,
    );
  const list = Object.values(parameters);
  const once = step(list, optimizer.init(list));
  await saveModel(at("model.safetensors"), {
    parameters: Object.fromEntries(names.map((name, i) => [name, once.parameters[i] as Tensor])),
    optimizerState: once.state,
    metadata: { optimizer: JSON.stringify(optimizer.spec), epoch: "3" },
  });

  const loaded = await loadModel(at("model.safetensors"));
  expect(Object.keys(loaded.parameters)).toEqual(names);
  expect(loaded.metadata).toEqual({ optimizer: JSON.stringify(optimizer.spec), epoch: "3" });
  expect(createOptimizer(JSON.parse(loaded.metadata["optimizer"] ?? "")).spec).toEqual(optimizer.spec);
  expect(loaded.optimizerState.map(({ shape, dtype }) => [shape, dtype])).toEqual(
    once.state.map(({ shape, dtype }) => [shape, dtype]),
  );
  const [here, there] = [
    step(once.parameters, once.state),
    step(Object.values(loaded.parameters), loaded.optimizerState),
  ];
  expect(valuesOf(there.parameters)).toEqual(valuesOf(here.parameters));
  expect(valuesOf(there.state)).toEqual(valuesOf(here.state));
  expect((await readdir(directory)).filter((name) => name.includes(".tmp"))).toEqual([]);
});

test("parameters of several types keep their order and, on request, f64", async () => {
  const parameters = {
    b: tensor([1.5]),
    a: tensor([[0.1, 0.2]], { dtype: "f64" }),
    d: tensor([true, false]),
    c: tensor([-7], { dtype: "i32" }),
    e: tensor([4e9], { dtype: "u32" }),
    empty: tensor(new Float32Array(0), { shape: [0, 3] }),
  };
  await saveModel(at("mixed.safetensors"), { parameters });
  const exact = await loadModel(at("mixed.safetensors"), { keepF64: true });
  expect(Object.keys(exact.parameters)).toEqual(Object.keys(parameters));
  for (const [name, wanted] of Object.entries(parameters)) {
    const got = exact.parameters[name];
    expect([name, got?.shape, got?.dtype]).toEqual([name, wanted.shape, wanted.dtype]);
    expect(got?.dataSync()).toEqual(wanted.dataSync());
  }
  expect(exact.optimizerState).toEqual([]);
  expect(exact.metadata).toEqual({});
  const narrow = await loadModel(at("mixed.safetensors"));
  expect(narrow.parameters["a"]?.dtype).toBe("f32");
});

describe("a file of others", () => {
  test("has f64, f16 and bf16 as f32, and integers in 32 bits", async () => {
    await write("others.safetensors", [
      { name: "f64", shape: [2], dtype: "F64", data: Float64Array.of(1 / 3, -2) },
      { name: "f16", shape: [4], dtype: "F16", data: Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00) },
      { name: "bf16", shape: [3], dtype: "BF16", data: Uint16Array.of(0x3f80, 0xc2f7, 0x7f80) },
      { name: "i64", shape: [], dtype: "I64", data: BigInt64Array.of(-5n) },
      { name: "u8", shape: [2], dtype: "U8", data: Uint8Array.of(0, 255) },
    ]);
    const { parameters } = await loadModel(at("others.safetensors"));
    const got = Object.entries(parameters).map(([name, each]) => [name, each.dtype, [...each.dataSync()]]);
    expect(Object.fromEntries(got.map(([name, ...rest]) => [name, rest]))).toEqual({
      f64: ["f32", [Math.fround(1 / 3), -2]],
      f16: ["f32", [1, -2, 2 ** -24, Infinity]],
      bf16: ["f32", [1, -123.5, Infinity]],
      i64: ["i32", [-5]],
      u8: ["u32", [0, 255]],
    });
  });
  test("becomes a model by fromPyTorch", async () => {
    const model = sequential(dense({ features: 4 }), relu, dense({ features: 2 }));
    const parameters = initialize(model, key(2), { shape: [1, 3], dtype: "f32" });
    await saveModel(at("torch.safetensors"), {
      parameters: toPyTorch(parameters, { rename: { dense: "net.0", dense_1: "net.2" } }),
    });
    const state = (await loadModel(at("torch.safetensors"))).parameters;
    expect(Object.keys(state)).toEqual(["net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"]);
    const x = normal(key(3), [5, 3]);
    const back = fromPyTorch(state, initialize(model, key(0), x));
    expect(apply(model, back, x).dataSync()).toEqual(apply(model, parameters, x).dataSync());
  });
  test("may hold names like those of our state", async () => {
    const tensors = [{ name: "weft.optimizerState.0", shape: [1], dtype: "F32", data: Float32Array.of(1) }] as const;
    await write("names.safetensors", tensors);
    expect(Object.keys((await loadModel(at("names.safetensors"))).parameters)).toEqual(["weft.optimizerState.0"]);
  });
});

describe("is refused with a reason", () => {
  const refused = async (name: string, message: RegExp) => {
    await expect(loadModel(at(name))).rejects.toThrow(ModelFileError);
    await expect(loadModel(at(name))).rejects.toThrow(message);
  };
  test("a file that is not there", () => refused("none.safetensors", /none.safetensors: expected a safetensors file/));
  test("a pickle of torch.save", async () => {
    await writeFile(at("model.pt"), "PK\u0003\u0004 and so on");
    await refused("model.pt", /zip file, as torch.save writes.*save_file/);
  });
  test("a file cut short", async () => {
    const whole = await readFile(at("torch.safetensors"));
    await writeFile(at("short.safetensors"), whole.subarray(0, -1));
    await refused("short.safetensors", /not a whole safetensors file/);
  });
  test("an integer beyond 32 bits", async () => {
    await write("wide.safetensors", [{ name: "steps", shape: [], dtype: "I64", data: BigInt64Array.of(2n ** 40n) }]);
    await refused("wide.safetensors", /steps has 1099511627776, which does not fit i32/);
  });
  test("state that the metadata promise", async () => {
    const tensors = [{ name: "w", shape: [1], dtype: "F32", data: Float32Array.of(1) }] as const;
    await write("promise.safetensors", tensors, { "weft.optimizerState": "1" });
    await refused("promise.safetensors", /promise a tensor "weft.optimizerState.0"/);
  });
  test("a parameter with one of our names", async () => {
    const saved = saveModel(at("ours.safetensors"), { parameters: { "weft.x": tensor([1]) } });
    await expect(saved).rejects.toThrow(/"weft.x": names that start with "weft."/);
  });
});
