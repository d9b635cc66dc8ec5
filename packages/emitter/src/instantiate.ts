/** A module made into functions over a memory of its own, for kernels that copy their operands in and out. */
import { engine } from "./engine.ts";
import type { ModuleBuilder } from "./moduleBuilder.ts";

const pageBytes = 65536;

export interface InstantiatedModule {
  /** Never grows, so views of it stay valid. */
  readonly memory: ArrayBuffer;
  /** By the names under which they are exported; pointers are byte offsets. */
  readonly functions: Readonly<Record<string, (...args: number[]) => number>>;
}

/**
 * Compiles at once; undefined where there is no WebAssembly.
 *
 * @param memoryBytes room for the operands, rounded up to whole pages
 */
export function instantiateAlone(module: ModuleBuilder, memoryBytes: number): InstantiatedModule | undefined {
  return compileAlone(module)?.(memoryBytes);
}

/**
 * Compiles at once what may then work over several memories; undefined where there is no WebAssembly.
 *
 * @returns makes an instance with so much memory; throws RangeError where there is none to be had
 */
export function compileAlone(module: ModuleBuilder): ((memoryBytes: number) => InstantiatedModule) | undefined {
  if (engine === undefined) return undefined;
  const { Memory, Instance, Module } = engine;
  const compiled = new Module(module.toBytes());
  return (memoryBytes) => {
    const memory = new Memory({ initial: Math.ceil(memoryBytes / pageBytes) });
    const { exports } = new Instance(compiled, { env: { memory } });
    return { memory: memory.buffer, functions: exports };
  };
}
