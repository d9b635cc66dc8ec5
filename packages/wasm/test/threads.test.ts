/** Threads side by side: the same bits as on one, also in a hurry, and nothing left behind. */
import { i32, ModuleBuilder } from "@weft/emitter";
import { spawnSync } from "node:child_process";
import type { Program, Tensor, TensorData } from "@weft/tensor";
import { conv2d, grad, maxPool2d, sizeOf, softmax, trace } from "@weft/tensor";
import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { randomPrograms } from "../../tensor/test/schedule/randomProgram.ts";
import { createBackend } from "../src/backend.ts";
import { createWasmBackend } from "../src/index.ts";
import { MemoryRegions } from "../src/memoryRegions.ts";
import { DividedSteps, cutTiles } from "../src/threads/dividedSteps.ts";
import { Team } from "../src/threads/team.ts";
import { randomFloats } from "./randomData.ts";

const backends = [1, 2, 3].map((threads) => createBackend({ threads, worthMs: 0 }));
afterAll(() => {
  for (const backend of backends) backend.dispose();
});

const shapes = [
  [16, 14, 14, 8],
  [3, 3, 8, 16],
  [7 * 7 * 16, 300],
] as const;

/** Gradients of a loss with a convolution, windows, products, softmax and sums, most of several tiles. */
const gradients: Program = trace(
  grad(
    (...given: Tensor[]) => {
      const [image, kernel, weights] = given as [Tensor, Tensor, Tensor];
      const features = conv2d(image, kernel, { padding: "same" }).tanh();
      const hidden = maxPool2d(features, { window: 2 })
        .reshape([16, 7 * 7 * 16])
        .matmul(weights);
      return softmax(hidden).mul(hidden).sum().add(features.mean());
    },
    { argument: [0, 1, 2] },
  ),
  shapes.map((shape) => ({ shape, dtype: "f32" })),
);
const inputs = shapes.map((shape, i) => randomFloats(sizeOf(shape), i + 1));

it("any number of threads gives the same bits, run after run", () => {
  const executables = backends.map((backend) => backend.compile(gradients));
  const [want] = executables.map((executable) => executable.run(inputs) as TensorData[]);
  expect(want!.every((values) => values.some((value) => value !== 0))).toBe(true);
  for (let run = 0; run < 5; run++) {
    for (const executable of executables) expect(executable.run(inputs)).toEqual(want);
  }
  for (const executable of executables) executable.dispose();
});

it("random programs give the same bits on one thread and on several", () => {
  fc.assert(
    fc.property(randomPrograms, ({ program, inputs: given }) => {
      const [one, ...others] = backends.map((backend) => {
        const executable = backend.compile(program);
        const results = [executable.run(given), executable.run(given)];
        executable.dispose();
        return results;
      });
      for (const results of others) expect(results).toEqual(one);
    }),
  );
});

it("a thousand short runs in a row all come to the same", () => {
  const program = trace(
    (x, w) => x.matmul(w).tanh(),
    [
      { shape: [64, 64], dtype: "f32" },
      { shape: [64, 64], dtype: "f32" },
    ],
  );
  const given = [randomFloats(64 * 64, 1), randomFloats(64 * 64, 2)];
  const [want, ...others] = backends.map((backend) => {
    const executable = backend.compile(program);
    let previous = executable.run(given);
    for (let run = 1; run < 1000; run++) {
      const results = executable.run(given);
      if (run % 100 === 0) expect(results).toEqual(previous);
      previous = results;
    }
    return previous;
  });
  for (const results of others) expect(results).toEqual(want);
});

it("programs come and go while the threads are awake, and their memory is used again", () => {
  const backend = createBackend({ threads: 2, worthMs: 0 });
  const want = backends[0]!.compile(gradients).run(inputs);
  for (let i = 0; i < 30; i++) {
    const executable = backend.compile(gradients);
    expect(executable.run(inputs)).toEqual(want);
    executable.dispose();
  }
  backend.dispose();
});

it("after dispose the calling thread computes alone", () => {
  const backend = createBackend({ threads: 3, worthMs: 0 });
  const executable = backend.compile(gradients);
  const want = executable.run(inputs);
  backend.dispose();
  expect(executable.run(inputs)).toEqual(want);
});

/** Each tile stores the address of the scratch memory it was given, which tells the thread. */
function witnessKernel(): ModuleBuilder {
  const module = new ModuleBuilder();
  module.function(
    ["i32", "i32", "i32", "i32"],
    (f, [from, to, scratch, result]) => {
      f.for({ from, to }, (tile) => {
        f.storeI32(i32.add(result, i32.mul(tile, 4)), scratch);
      });
    },
    { export: "run" },
  );
  return module;
}

it("threads that sleep are woken and take part, each with scratch memory of its own", async () => {
  const regions = new MemoryRegions({ shared: true });
  const team = new Team(regions.memory, { size: 3, worthMs: 0 });
  const [tiles, scratch] = [3000, 64];
  const result = regions.allocate(4 * tiles);
  const steps = new DividedSteps(team, regions);
  const module = new WebAssembly.Module(witnessKernel().toBytes({ shared: true }));
  const { exports } = new WebAssembly.Instance(module, { env: { memory: regions.memory } });
  const call = steps.add({
    source: { key: "witness", build: witnessKernel, tiles, scratchBytes: 100 },
    code: module,
    run: exports["run"] as () => void,
    operands: [scratch, result],
  });
  steps.hand();
  const seen = new Set<number>();
  // On a busy machine a thread may wait long for its first turn.
  const deadline = performance.now() + 20_000;
  for (let run = 0; seen.size < 3 && performance.now() < deadline; run++) {
    call();
    for (const address of new Int32Array(regions.memory.buffer, result, tiles)) seen.add(address);
    if (run % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5)); // the threads fall asleep
  }
  expect(seen.size).toBe(3);
  expect(seen.has(0)).toBe(false);
  const [first, second] = [...seen].filter((address) => address !== scratch).sort((a, b) => a - b);
  expect(second! - first!).toBe(128);
  steps.release();
  team.stop();
});

it("a kernel that fails in any thread fails the run, and the next one is whole again", () => {
  const regions = new MemoryRegions({ shared: true });
  const team = new Team(regions.memory, { size: 2 });
  expect(() =>
    team.compute(team.nextStep(), { chunks: 4 }, (chunk) => {
      if (chunk === 2) throw new RangeError("out of bounds");
    }),
  ).toThrow("a kernel failed");
  const computed: number[] = [];
  team.compute(team.nextStep(), { chunks: 4 }, (chunk) => computed.push(chunk));
  expect(computed).toEqual([0, 1, 2, 3]);
  team.stop();
});

it("every tile is in exactly one chunk, and no thread's first chunk is more than its share", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 2, max: 64 }), (tiles, threads) => {
      const cuts = cutTiles(tiles, threads);
      expect(cuts[0]).toBe(0);
      expect(cuts.at(-1)).toBe(tiles);
      const sizes = cuts.slice(1).map((cut, i) => cut - cuts[i]!);
      expect(Math.min(...sizes)).toBeGreaterThan(0);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(Math.ceil(tiles / threads));
    }),
  );
});

it("thread counts that make no sense are refused", () => {
  for (const threads of [0, -1, 1.5, NaN, 1e9]) expect(() => createWasmBackend({ threads })).toThrow(/whole number/);
  const backend = createWasmBackend({ threads: "auto" });
  expect(backend.threads).toBe(Math.min(16, navigator.hardwareConcurrency));
  backend.dispose();
});

it("idle threads use no processor time and do not keep the process alive", () => {
  const script = `
    import { trace } from "@weft/tensor";
    import { createWasmBackend } from "@weft/wasm";
    const type = { shape: [256, 256], dtype: "f32" };
    const executable = createWasmBackend({ threads: 3 }).compile(trace((x, w) => x.matmul(w), [type, type]));
    const [x, w] = [new Float32Array(256 * 256).fill(1), new Float32Array(256 * 256).fill(2)];
    for (let i = 0; i < 20; i++) executable.run([x, w]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 400));
    const { user, system } = process.cpuUsage(before);
    console.log(JSON.stringify({ idleMs: (user + system) / 1000, value: executable.run([x, w])[0][5] }));`;
  const child = spawnSync(
    process.execPath,
    ["--conditions=weft-source", "--import", "tsx", "--input-type=module", "--eval", script],
    { encoding: "utf8", timeout: 20_000, cwd: import.meta.dirname },
  );
  expect(child.stderr).toBe("");
  expect(child.status).toBe(0);
  const { idleMs, value } = JSON.parse(child.stdout) as { idleMs: number; value: number };
  expect(value).toBe(512);
  expect(idleMs).toBeLessThan(100);
});
