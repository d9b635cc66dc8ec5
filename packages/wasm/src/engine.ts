/** The machine that plans run on: one memory, and the kernels compiled for it. */
import type { Executable } from "@weft/tensor";
import { arrayOf, createReferenceBackend } from "@weft/tensor";
import type { TensorData } from "@weft/tensor";
import type { KernelSource } from "./kernel.ts";
import { MemoryRegions } from "./memoryRegions.ts";
import type { PlacedValue, PlanStep, SliceCopy } from "./plan.ts";

/** Kernels kept for programs to come; those that executables use live as long as these do. */
const keptKernels = 4096;

/** `run(from, to, scratch, ...pointers)` of a kernel module. */
type KernelFunction = (...args: number[]) => void;

export class Engine {
  readonly regions = new MemoryRegions();
  readonly #kernels = new Map<string, KernelFunction>();
  #bytes = new Uint8Array(this.regions.memory.buffer);
  readonly #host = createReferenceBackend();

  /** The elements at an address, as a view that the next growth of the memory detaches. */
  view({ offset, dtype, size }: PlacedValue): TensorData {
    return new arrayOf[dtype](this.regions.memory.buffer, offset, size);
  }

  copy(from: number, to: number, bytes: number): void {
    if (from !== to) this.#memoryBytes().copyWithin(to, from, from + bytes);
  }

  /** Makes the step into a call; all that can be prepared is prepared here. */
  bind(step: PlanStep): () => void {
    switch (step.kind) {
      case "kernel": {
        const run = this.#kernelOf(step.source);
        const args = [0, step.source.tiles, step.scratch, ...step.pointers];
        return () => run(...args);
      }
      case "copy":
        return () => this.copy(step.from, step.to, step.bytes);
      case "fill":
        return () => this.write(step.to, step.data);
      case "host":
        return this.#bindHost(step, this.#host.compile(step.program));
      case "repeat":
        return this.#bindRepeat(step);
      default:
        return step satisfies never;
    }
  }

  write(address: number, data: TensorData): void {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#memoryBytes().set(bytes, address);
  }

  /** All of the memory; the view is made anew when the memory has grown. */
  #memoryBytes(): Uint8Array {
    const { buffer } = this.regions.memory;
    if (this.#bytes.buffer !== buffer) this.#bytes = new Uint8Array(buffer);
    return this.#bytes;
  }

  #bindHost({ inputs, outputs }: Extract<PlanStep, { kind: "host" }>, executable: Executable): () => void {
    return () => {
      const results = executable.run(inputs.map((input) => this.view(input))) as TensorData[];
      outputs.forEach((output, i) => this.write(output.offset, results[i]!));
    };
  }

  #bindRepeat({ count, reverse, before, steps, after }: Extract<PlanStep, { kind: "repeat" }>): () => void {
    const calls = steps.map((step) => this.bind(step));
    const slice = (index: number) => (copy: SliceCopy) => {
      this.copy(copy.from + index * copy.fromStep, copy.to + index * copy.toStep, copy.bytes);
    };
    return () => {
      for (let turn = 0; turn < count; turn++) {
        const index = reverse ? count - 1 - turn : turn;
        before.forEach(slice(index));
        for (const call of calls) call();
        after.forEach(slice(index));
      }
    };
  }

  #kernelOf(source: KernelSource): KernelFunction {
    const known = this.#kernels.get(source.key);
    if (known) return known;
    const module = new WebAssembly.Module(source.build().toBytes());
    const instance = new WebAssembly.Instance(module, { env: { memory: this.regions.memory } });
    const run = instance.exports["run"] as KernelFunction;
    this.#kernels.set(source.key, run);
    if (this.#kernels.size > keptKernels) {
      const [oldest] = this.#kernels.keys();
      this.#kernels.delete(oldest!);
    }
    return run;
  }
}
