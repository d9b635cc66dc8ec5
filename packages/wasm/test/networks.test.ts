/** Layers and whole networks of @weft/nn on the wasm backend, against PyTorch and against the reference. */
import type { Backend, Tensor } from "@weft/tensor";
import { currentBackend, grad, key, normal, randomInt, setBackend, tensor } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import type { State } from "@weft/nn";
import {
  applyWithState,
  define,
  embedding,
  gru,
  initialState,
  initialize,
  orthogonal,
  positionalEmbedding,
  transformerBlock,
} from "@weft/nn";
import { ctc } from "@weft/nn/ctc";
import { describe, expect, test } from "vitest";
import { layerOperations } from "../../nn/test/layerVectors.ts";
import { testTrainingTraces } from "../../nn/test/trainingTraces.ts";
import { runOperationVectors } from "../../tensor/test/vectors/run.ts";
import { createWasmBackend } from "../src/index.ts";

testTrainingTraces(createWasmBackend, { dtypes: ["f32"] });
runOperationVectors("layers, wasm", createWasmBackend(), "f32", layerOperations);

/** What `make` computes on the backend. */
async function valuesOn(backend: Backend, make: () => Promise<readonly Tensor[]>) {
  const before = currentBackend();
  setBackend(backend);
  try {
    return await Promise.all((await make()).map(async (x) => [...(await x.data())]));
  } finally {
    setBackend(before);
  }
}

const generator = define(({ layer }) => {
  const tokens = layer("tokens", embedding({ vocabulary: 11, features: 8 }));
  const positions = layer("positions", positionalEmbedding({ length: 6 }));
  const block = layer("block", transformerBlock({ heads: 2, causal: true }));
  const loop = layer("loop", gru({ features: 8 }));
  return (ids) => tokens.logits(loop(block(positions(tokens(ids)))));
});

/** Six tokens, one by one. */
async function generate(): Promise<readonly Tensor[]> {
  const ids = randomInt(key(3), [2, 6], { high: 11 });
  const parameters = initialize(generator, key(1), ids);
  let state: State = initialState(generator, ids, { length: 6 });
  const outputs: Tensor[] = [];
  for (let t = 0; t < 6; t++) {
    const applied = applyWithState(generator, parameters, ids.at(null, [t, t + 1]), { state });
    outputs.push(applied.output);
    await applied.output.data();
    ({ state } = applied);
  }
  return outputs;
}

const networks: readonly (readonly [string, () => Promise<readonly Tensor[]>])[] = [
  ["sequences made from a cache", generate],
  ["an orthogonal matrix", () => Promise.resolve([orthogonal()(key(2), [12, 20])])],
  [
    "the loss of unaligned labels and its gradient",
    () => {
      const logits = normal(key(4), [3, 7, 5]);
      const labels = tensor([1, 2, 2, 4, -1, -1, 3, 1, -1], { shape: [3, 3], dtype: "i32" });
      return Promise.resolve([ctc(logits, labels), grad(ctc)(logits, labels)]);
    },
  ],
];

describe("as on the reference backend", () => {
  test.each(networks)("%s", async (_, make) => {
    const [got, wanted] = [await valuesOn(createWasmBackend(), make), await valuesOn(createReferenceBackend(), make)];
    wanted.flat().forEach((value, i) => expect(got.flat()[i]).toBeCloseTo(value, 4));
  });
});
