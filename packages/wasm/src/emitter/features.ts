/** What this WebAssembly engine can do, found by asking it to validate a module of one instruction. */
import { ModuleBuilder } from "./moduleBuilder.ts";
import { f32x4 } from "./simd.ts";

let relaxed: boolean | undefined;

/**
 * True where relaxed SIMD, and with it a fused multiply-add, is available. Its rounding may differ between machines: code
 * whose bits must agree everywhere keeps to plain SIMD.
 */
export function hasRelaxedSimd(): boolean {
  relaxed ??= WebAssembly.validate(relaxedModule());
  return relaxed;
}

function relaxedModule(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.function(["v128"], (f, [x]) => f.return(f32x4.relaxedMadd(x, x, x)), { result: "v128" });
  return module.toBytes();
}
