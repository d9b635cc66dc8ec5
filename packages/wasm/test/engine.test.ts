/** The backend's memory and kernels: who may use which bytes, and for how long. */
import type { Resident, Tensor } from "@weft/tensor";
import { checkpoint, schedule, trace } from "@weft/tensor";
import fc from "fast-check";
import { expect, it } from "vitest";
import { createWasmBackend } from "../src/index.ts";
import { Engine } from "../src/engine.ts";
import { loopKernel } from "../src/loops/loopKernel.ts";
import { MemoryRegions } from "../src/memoryRegions.ts";

it("regions in use never overlap and lie inside the memory", () => {
  const actions = fc.array(fc.record({ size: fc.integer({ min: 0, max: 200_000 }), release: fc.nat(20) }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(actions, (list) => {
      const regions = new MemoryRegions();
      let used: { start: number; size: number }[] = [];
      for (const { size, release } of list) {
        const start = regions.allocate(size);
        for (const other of used) {
          expect(start >= other.start + other.size || start + size <= other.start).toBe(true);
        }
        expect(start % 64).toBe(0);
        expect(start).toBeGreaterThan(0);
        expect(start + size).toBeLessThanOrEqual(regions.memory.buffer.byteLength);
        used.push({ start, size });
        const gone = used[release];
        if (!gone) continue;
        regions.release(gone.start, gone.size);
        used = used.filter((region) => region !== gone);
      }
    }),
  );
});

it("memory given back is used again", () => {
  const regions = new MemoryRegions();
  const sizes = [100, 70_000, 3000];
  const round = () => {
    const starts = sizes.map((size) => regions.allocate(size));
    starts.forEach((start, i) => regions.release(start, sizes[i]!));
  };
  round();
  const bytes = regions.memory.buffer.byteLength;
  for (let i = 0; i < 1000; i++) round();
  expect(regions.memory.buffer.byteLength).toBe(bytes);
});

it("a value left in place survives the disposal of its executable", () => {
  const backend = createWasmBackend();
  const type = { shape: [3], dtype: "f32" } as const;
  const program = trace((x) => x.add(1), [type]);
  const executable = backend.compile(program, { aliases: new Map([[0, 0]]) });
  const [kept] = executable.run([new Float32Array([1, 2, 3])]) as [Resident];
  executable.dispose();
  const other = backend.compile(program, { aliases: new Map([[0, 0]]) });
  void other.run([new Float32Array([7, 7, 7])]);
  expect([...kept.read()]).toEqual([2, 3, 4]);
});

it("inputs and donations that do not fit are refused before anything is written", () => {
  const backend = createWasmBackend();
  const program = trace((x) => x.sum(), [{ shape: [3], dtype: "f32" }]);
  const executable = backend.compile(program);
  expect(() => executable.run([new Float32Array(4)])).toThrow(/must be a Float32Array of 3 elements/);
  expect(() => executable.run([new Int32Array(3)])).toThrow(/got a Int32Array/);
  expect(() => executable.run([])).toThrow(/expected 1 inputs, got 0/);
  expect(() => backend.compile(program, { aliases: new Map([[0, 0]]) })).toThrow(/does not fit the place of input 0/);
});

it("programs in f64 are refused, with the backend that takes them", () => {
  const program = trace((x) => x.mul(2), [{ shape: [2], dtype: "f64" }]);
  expect(() => createWasmBackend().compile(program)).toThrow(/createReferenceBackend/);
});

it("f64 is refused inside calls as well", () => {
  const wide = checkpoint((x: Tensor) => x.cast("f64").exp().cast("f32"));
  const program = trace((x) => wide(x), [{ shape: [2], dtype: "f32" }]);
  expect(() => createWasmBackend().compile(program)).toThrow(/f64\[2\]/);
});

it("kernels are compiled once for equal steps of different programs", () => {
  const engine = new Engine();
  let built = 0;
  const bind = (fn: (x: Tensor) => Tensor) => {
    const [step] = schedule(trace(fn, [{ shape: [3], dtype: "f32" }])).steps;
    if (step?.kind !== "loop") throw new Error("expected a loop");
    const kernel = loopKernel(step.loop, { relaxed: false });
    const build = () => {
      built++;
      return kernel.build();
    };
    engine.bind([{ kind: "kernel", source: { ...kernel, build }, scratch: 0, pointers: [64, 128] }]);
  };
  bind((x) => x.add(1));
  bind((x) => x.add(1));
  bind((x) => x.add(2));
  bind((x) => x.add(1));
  expect(built).toBe(2);
});
