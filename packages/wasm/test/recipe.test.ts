/** A backend says how another thread makes the same one. */
import { type Backend, compile, setBackend, type Tensor, tensor } from "@weft/tensor";
import { afterAll, expect, it } from "vitest";
import { createReferenceBackend } from "@weft/tensor/reference";
import { createWasmBackend } from "../src/index.ts";

afterAll(() => setBackend(createReferenceBackend()));

/** As another thread would. */
async function follow({ recipe }: Backend): Promise<Backend> {
  const { module, maker, options } = structuredClone(recipe!);
  const makers = (await import(module)) as Record<string, (options: unknown) => Backend>;
  return makers[maker]!(options);
}

const values = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i));

function exponentials(backend: Backend): unknown {
  setBackend(backend);
  return compile((x: Tensor) => x.exp())(tensor(values)).dataSync();
}

it.each([
  ["the reference backend", createReferenceBackend()],
  ["wasm", createWasmBackend()],
  ["wasm without fused multiply-add", createWasmBackend({ relaxed: false })],
])("by its recipe another is made that has its name and its bits: %s", async (_, backend) => {
  const made = await follow(backend);
  expect(made).not.toBe(backend);
  expect(made.name).toBe(backend.name);
  expect(exponentials(made)).toEqual(exponentials(backend));
});
