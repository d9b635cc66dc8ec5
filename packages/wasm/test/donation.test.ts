/** Donated memory that goes from one compiled step to another, as when the last batch of an epoch is smaller. */
import type { Tensor } from "@weft/tensor";
import { compile, setBackend, tensor } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createWasmBackend } from "../src/index.ts";

beforeAll(() => {
  setBackend(createWasmBackend());
});
afterAll(() => {
  setBackend(createReferenceBackend());
});

it("a tensor given to another step does not trouble the step that made it", () => {
  const plus = compile((w: Tensor) => [w.add(1)], { donate: [0] });
  const times = compile((w: Tensor) => [w.mul(2)], { donate: [0] });
  let w = [tensor([1, 2])] as Tensor[];
  for (const step of [plus, plus, times, plus, times, times]) w = step(w[0]!);
  expect([...w[0]!.dataSync()]).toEqual([28, 36]);
});
