/** The CPU backend: programs become plans of SIMD kernels over one WebAssembly memory. */
import type { Backend, CompileOptions, Program } from "@weft/tensor";
import { compilePlan } from "./compile.ts";
import { hasRelaxedSimd } from "./emitter/features.ts";
import { Engine } from "./engine.ts";
import { WasmExecutable } from "./executable.ts";
import { kernelTable } from "./kernelTable.ts";
import { moveSteps } from "./plan.ts";

export interface WasmBackendOptions {
  /**
   * Fused multiply-add in dot and conv: faster, and its rounding may differ between machines. By default used where the
   * engine has it; false gives the same bits everywhere.
   */
  readonly relaxed?: boolean;
}

/** @example setBackend(createWasmBackend()) */
export function createWasmBackend({ relaxed = true }: WasmBackendOptions = {}): Backend {
  const engine = new Engine();
  const kernels = kernelTable({ relaxed: relaxed && hasRelaxedSimd() });
  return {
    name: "wasm",
    synchronous: true,
    compile: (program: Program, options: CompileOptions = {}) => {
      const plan = compilePlan(program, { ...options, kernels });
      const base = engine.regions.allocate(plan.bytes);
      return new WasmExecutable(engine, { ...plan, steps: moveSteps(plan.steps, base) }, base);
    },
  };
}
