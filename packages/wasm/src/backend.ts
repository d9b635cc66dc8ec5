/** The CPU backend: programs become plans of SIMD kernels over one WebAssembly memory. */
import { hasRelaxedSimd } from "@weft/emitter";
import type { Backend, CompileOptions, Program } from "@weft/tensor";
import { findBlas } from "#native";
import { backendModule, canShareMemory } from "#thread";
import { compilePlan } from "./compile.ts";
import { Engine } from "./engine.ts";
import { WasmExecutable } from "./executable.ts";
import { kernelTable } from "./kernelTable.ts";
import type { BlasChoice } from "./native/blas.ts";
import { moveSteps } from "./plan.ts";
import { PlanCache } from "./planCache.ts";

export interface WasmBackendOptions {
  /**
   * Fused multiply-add in dot, conv, exp and the like: faster, and its rounding may differ between machines. By default used
   * where the engine has it; false gives the same bits everywhere.
   */
  readonly relaxed?: boolean;
  /**
   * A BLAS library of the system to multiply large matrices with, in Node: `"auto"` takes one where there is one, a path a
   * certain one. Its rounding is its own. `"off"` by default.
   */
  readonly blas?: BlasChoice;
  /**
   * Threads that compute side by side, the calling one included: a number, or `"auto"` for one on each core, up to 16. Where
   * threads cannot share memory, as on pages that are not cross-origin isolated, there is one. 1 by default. The number
   * changes no bit of any result.
   */
  readonly threads?: number | "auto";
}

export interface WasmBackend extends Backend {
  /** Threads that compute, the calling one included; fewer than asked for where they cannot be had. */
  readonly threads: number;
  /** Ends the other threads. They never keep a process alive, so this is for programs that go on without the backend. */
  dispose(): void;
}

/**
 * The backend's `name` says what it found: `wasm` or, say, `wasm, OpenBLAS 0.3.21 (SkylakeX)`.
 *
 * @throws {BlasError} when a BLAS library is named that cannot be used
 * @example setBackend(createWasmBackend())
 */
export function createWasmBackend(options: WasmBackendOptions = {}): WasmBackend {
  return createBackend(options);
}

export interface BackendOptions extends WasmBackendOptions {
  /** Which kernels are worth dividing, instead of the usual. */
  readonly worthMs?: number;
  /** Gives products of any size to the BLAS library. */
  readonly blasForAll?: boolean;
}

export function createBackend(options: BackendOptions): WasmBackend {
  const { relaxed = true, blas = "off", threads: wanted = 1, worthMs, blasForAll } = options;
  const library = findBlas(blas);
  const begin = () => new Engine({ threads: threadCount(wanted), blas: library, worthMs });
  let engine = begin();
  /** Executables that are not disposed of yet. */
  let live = 0;
  /** WebAssembly's memory cannot shrink: once nobody uses it, what a large program has left behind goes as a whole. */
  const onDispose = () => {
    live -= 1;
    if (live > 0 || engine.regions.usedBytes <= mostIdleBytes) return;
    engine.dispose();
    engine = begin();
  };
  const kernels = kernelTable({
    relaxed: relaxed && hasRelaxedSimd(),
    native: library && { all: blasForAll },
  });
  const plans = new PlanCache();
  const module = backendModule();
  return {
    name: library ? `wasm, ${library.name}` : "wasm",
    // One thread, whatever there are here: their number changes no bit.
    recipe:
      module === undefined ? undefined : { module, maker: "createBackend", options: { relaxed, blas, blasForAll } },
    synchronous: true,
    lacks: ["f64"],
    get threads() {
      return engine.threads;
    },
    compile: (program: Program, { aliases = new Map<number, number>() }: CompileOptions = {}) => {
      const plan = plans.get(program, aliases, () => compilePlan(program, { aliases, kernels }));
      const base = engine.regions.allocate(plan.bytes);
      live += 1;
      const steps = moveSteps(plan.steps, (address) => address + base);
      return new WasmExecutable(engine, { ...plan, steps }, base, onDispose);
    },
    dispose: () => engine.dispose(),
  };
}

/** Memory that is kept for programs to come when there are none. */
const mostIdleBytes = 16 * 2 ** 20;

function threadCount(wanted: number | "auto"): number {
  const count = wanted === "auto" ? Math.min(navigator.hardwareConcurrency, mostByItself) : wanted;
  if (!Number.isInteger(count) || count < 1 || count > mostThreads) {
    throw new RangeError(
      `threads: expected "auto" or a whole number from 1 to ${mostThreads}, got ${count}; leave it out for one`,
    );
  }
  return canShareMemory() ? count : 1;
}

const mostThreads = 256;
const mostByItself = 16;
