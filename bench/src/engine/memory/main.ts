/** Tells what memory a process holds as it trains a small network: `main.mjs STEPS…` prints JSON after each count of steps. */
import { dense, dropout, flatten, relu, sequential, softmaxCrossEntropy, apply } from "@weft/nn";
import { adam } from "@weft/optim";
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { inputMaker } from "../inputs.ts";
import { train } from "../weft/train.ts";

/** In bytes, after garbage collection. */
export interface MemoryUse {
  readonly resident: number;
  /** What JavaScript holds, with array buffers. */
  readonly heap: number;
  /** The WebAssembly memory that tensors and plans live in. */
  readonly arena: number;
}

const memories: WebAssembly.Memory[] = [];
WebAssembly.Memory = new Proxy(WebAssembly.Memory, {
  construct(target, [descriptor]: [WebAssembly.MemoryDescriptor]) {
    const memory = new target(descriptor);
    memories.push(memory);
    return memory;
  },
});

setBackend(createWasmBackend());
const model = sequential(flatten, dense({ features: 32 }), relu, dropout({ rate: 0.5 }), dense({ features: 10 }));
const { between, below, constant, glorot } = inputMaker(8);
const run = train(
  {
    loss: (weights, { images, labels }, options) =>
      softmaxCrossEntropy(apply(model, weights, images!, options), labels!),
    optimizer: ({ learningRate = 0 }) => adam({ learningRate }),
  },
  {
    weights: {
      "dense.kernel": glorot(784, 32),
      "dense.bias": constant(0, [32]),
      "dense_1.kernel": glorot(32, 10),
      "dense_1.bias": constant(0, [10]),
    },
    data: { images: between(0, 1, [32, 28, 28, 1]), labels: below(10, [32]) },
    settings: { learningRate: 1e-3 },
  },
  { dropout: true },
);

let done = 0;
for (const steps of process.argv.slice(2).map(Number)) {
  for (; done < steps; done += 100) {
    await run(100);
    // Finalisers of tensors run between turns.
    await new Promise((resolve) => setImmediate(resolve));
  }
  process.stdout.write(`${JSON.stringify(await memoryUse())}\n`);
}

async function memoryUse(): Promise<MemoryUse> {
  if (!globalThis.gc) throw new Error("start it with --expose-gc");
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  const arena = memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  return { resident: rss, heap: heapUsed + arrayBuffers, arena };
}
