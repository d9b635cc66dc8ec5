/** The function that every kernel exports: see `KernelSource` in `kernel.ts`. */
import type { FunctionBuilder, Local, LocalsOf, ModuleBuilder } from "@weft/emitter";

type RunParams<N extends number> = readonly [
  from: Local<"i32">,
  to: Local<"i32">,
  scratch: Local<"i32">,
  ...pointers: LocalsOf<N>,
];

/** Defines run(from, to, scratch, ...pointers) and gives the module back. */
export function defineRun<N extends number>(
  module: ModuleBuilder,
  pointers: N,
  body: (f: FunctionBuilder, params: RunParams<N>) => void,
): ModuleBuilder {
  const params = Array<"i32">(3 + pointers).fill("i32");
  module.function(params, (f, locals) => body(f, locals as unknown as RunParams<N>), { export: "run" });
  return module;
}
