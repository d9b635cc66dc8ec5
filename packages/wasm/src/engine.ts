/** The machine that plans run on: one memory, and the kernels compiled for it. */
import { allocate, arrayOf } from "@weft/tensor";
import type { TensorData } from "@weft/tensor";
import type { LinePrimitive, ReferenceKernel } from "@weft/tensor/reference";
import { lineKernels } from "@weft/tensor/reference";
import type { KernelSource } from "./kernel.ts";
import { bindProducts } from "#native";
import { MemoryRegions } from "./memoryRegions.ts";
import type { Blas } from "./native/blas.ts";
import type { NativeKernel } from "./native/products.ts";
import type { PlacedValue, PlanStep, SliceCopy } from "./plan.ts";
import type { Turn } from "./threads/dividedSteps.ts";
import { DividedSteps, follow } from "./threads/dividedSteps.ts";
import { Team } from "./threads/team.ts";
import type { KernelCode, KernelFunction } from "./threads/threadBody.ts";

/** Kernels kept for programs to come; those that executables use live as long as these do. */
const keptKernels = 4096;

interface CompiledKernel {
  readonly code: KernelCode;
  readonly run: KernelFunction;
}

export interface EngineOptions {
  /** How many threads compute; 1 by default. */
  readonly threads?: number;
  /** How long a kernel must take on one thread to be divided between all. */
  readonly worthMs?: number | undefined;
  /** Carries out the native kernels of plans; plans have none without. */
  readonly blas?: Blas | undefined;
}

/** Steps made into calls. */
export interface BoundSteps {
  readonly calls: readonly (() => void)[];
  /** To be called when they run no more. */
  readonly release: () => void;
}

export class Engine {
  readonly regions: MemoryRegions;
  readonly #kernels = new Map<string, CompiledKernel>();
  #bytes: Uint8Array;
  readonly #blas: Blas | undefined;
  readonly #team: Team | undefined;

  constructor({ threads = 1, worthMs, blas }: EngineOptions = {}) {
    this.#blas = blas;
    this.regions = new MemoryRegions({ shared: threads > 1 });
    this.#bytes = new Uint8Array(this.regions.memory.buffer);
    this.#team = threads > 1 ? new Team(this.regions.memory, { size: threads, worthMs, blas: blas?.files }) : undefined;
  }

  /** The elements at an address, as a view that the next growth of the memory detaches. */
  view({ offset, dtype, size }: PlacedValue): TensorData {
    return new arrayOf[dtype === "f16" ? "f32" : dtype](this.regions.memory.buffer, offset, size);
  }

  /** A copy of the elements at an address. */
  read(place: PlacedValue): TensorData {
    const view = this.view(place);
    return place.dtype === "f16" ? new arrayOf.f16(view) : view.slice();
  }

  copy(from: number, to: number, bytes: number): void {
    if (from !== to) this.#memoryBytes().copyWithin(to, from, from + bytes);
  }

  /** Makes the steps into calls; all that can be prepared is prepared here. */
  bind(steps: readonly PlanStep[]): BoundSteps {
    const divided = this.#team && new DividedSteps(this.#team, this.regions);
    const calls = steps.map((step) => this.#bindStep(step, divided));
    divided?.hand();
    return { calls, release: () => divided?.release() };
  }

  /** Threads that compute, the calling one included. */
  get threads(): number {
    return this.#team?.alive ?? 1;
  }

  /** Ends the threads; what runs later runs on the calling thread alone. */
  dispose(): void {
    this.#team?.stop();
  }

  #bindStep(step: PlanStep, divided: DividedSteps | undefined, turn?: Turn): () => void {
    switch (step.kind) {
      case "kernel":
        return this.#bindKernel(step, divided, turn);
      case "copy":
        return () => this.copy(step.from, step.to, step.bytes);
      case "fill":
        return () => this.write(step.to, step.data);
      case "host":
        return this.#bindHost(step);
      case "repeat":
        return this.#bindRepeat(step, divided);
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

  #bindHost({ primitive, params, inputs, outputs }: Extract<PlanStep, { kind: "host" }>): () => void {
    // The params are those of the primitive.
    const kernel = lineKernels[primitive] as ReferenceKernel<LinePrimitive>;
    return () => {
      const results = outputs.map((output) => ({ ...output, data: allocate(output.dtype, output.size) }));
      kernel(
        results,
        inputs.map((input) => ({ ...input, data: this.view(input) })),
        params,
      );
      results.forEach(({ offset, data }) => this.write(offset, data));
    };
  }

  #bindRepeat(
    { count, reverse, before, steps, after }: Extract<PlanStep, { kind: "repeat" }>,
    divided: DividedSteps | undefined,
  ): () => void {
    const turn: Turn = { index: 0 };
    const calls = steps.map((step) => this.#bindStep(step, divided, turn));
    const slice = (index: number) => (copy: SliceCopy) => {
      this.copy(copy.from + index * copy.fromStep, copy.to + index * copy.toStep, copy.bytes);
    };
    return () => {
      for (let i = 0; i < count; i++) {
        const index = reverse ? count - 1 - i : i;
        turn.index = index;
        before.forEach(slice(index));
        for (const call of calls) call();
        after.forEach(slice(index));
      }
    };
  }

  #bindKernel(
    { source, scratch, pointers, strides }: Extract<PlanStep, { kind: "kernel" }>,
    divided: DividedSteps | undefined,
    turn: Turn | undefined,
  ): () => void {
    const operands = [scratch, ...pointers] as const;
    const moving = strides && turn && { strides, turn };
    const { code, run } = "products" in source ? this.#nativeOf(source) : this.#kernelOf(source);
    if (divided && source.tiles > 1) return divided.add({ source, code, run, operands, moving });
    const args = [0, source.tiles, ...operands];
    if (!moving) return () => run(...args);
    return () => {
      follow(args, pointers, moving);
      run(...args);
    };
  }

  #nativeOf(kernel: NativeKernel): CompiledKernel {
    if (!this.#blas) throw new Error("a plan with native kernels for an engine without a BLAS library");
    return { code: kernel, run: bindProducts(kernel, this.regions.memory, this.#blas.open) };
  }

  #kernelOf(source: KernelSource): CompiledKernel {
    const known = this.#kernels.get(source.key);
    if (known) return known;
    const module = new WebAssembly.Module(source.build().toBytes({ shared: this.#team !== undefined }));
    const instance = new WebAssembly.Instance(module, { env: { memory: this.regions.memory } });
    const kernel = { code: module, run: instance.exports["run"] as KernelFunction };
    this.#kernels.set(source.key, kernel);
    if (this.#kernels.size > keptKernels) {
      const [oldest] = this.#kernels.keys();
      this.#kernels.delete(oldest!);
    }
    return kernel;
  }
}
