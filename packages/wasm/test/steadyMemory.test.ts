/** Training takes no more memory the longer it goes on; `npm run bench -- engine-memory` measures a whole process. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Tensor } from "@weft/tensor";
import { compile, grad, key, normal, setBackend } from "@weft/tensor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createWasmBackend } from "../src/index.ts";

const memories: WebAssembly.Memory[] = [];
const { Memory } = WebAssembly;

beforeAll(() => {
  WebAssembly.Memory = new Proxy(Memory, {
    construct(target, [descriptor]: [WebAssembly.MemoryDescriptor]) {
      const memory = new target(descriptor);
      memories.push(memory);
      return memory;
    },
  });
  setBackend(createWasmBackend());
});
afterAll(() => {
  WebAssembly.Memory = Memory;
});

test("after 2,000 steps the arena is as large as after 200, and the heap within 2 %", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const loss = (weights: Tensor, inputs: Tensor) => inputs.matmul(weights).tanh().square().mean();
  const step = compile(
    (weights: Tensor, random: Tensor) => {
      const inputs = normal(random, [32, 64]);
      return [weights.sub(grad((w: Tensor) => loss(w, inputs))(weights)), loss(weights, inputs)] as const;
    },
    { donate: [0] },
  );
  let weights = normal(key(0), [64, 64]);
  let done = 0;
  const holdsAfter = async (steps: number) => {
    for (; done < steps; done++) {
      const [next, value] = step(weights, key(done));
      weights = next;
      value.itemSync();
      // Finalisers of tensors run between turns.
      if (done % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (let i = 0; i < 3; i++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return { arena: memories[0]!.buffer.byteLength, heap: heapUsed + arrayBuffers };
  };
  const early = await holdsAfter(200);
  const late = await holdsAfter(2000);
  expect(late.arena).toBe(early.arena);
  expect(late.heap).toBeLessThan(1.02 * early.heap);
});
