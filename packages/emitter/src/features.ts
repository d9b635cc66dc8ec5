/** What this WebAssembly engine can do, found by asking it to validate a module of one instruction. */
import { engine } from "./engine.ts";
import { ModuleBuilder } from "./moduleBuilder.ts";
import { f32x4, type V128 } from "./simd.ts";

let plain: boolean | undefined;
let relaxed: boolean | undefined;

/** True where there is WebAssembly with 128-bit SIMD. */
export function hasSimd(): boolean {
  plain ??= validates((x) => f32x4.add(x, x));
  return plain;
}

/**
 * True where relaxed SIMD, and with it a fused multiply-add, is available. Its rounding may differ between machines: code
 * whose bits must agree everywhere keeps to plain SIMD.
 */
export function hasRelaxedSimd(): boolean {
  relaxed ??= validates((x) => f32x4.relaxedMadd(x, x, x));
  return relaxed;
}

function validates(instruction: (x: V128) => V128): boolean {
  const module = new ModuleBuilder();
  module.function(["v128"], (f, [x]) => f.return(instruction(x)), { result: "v128" });
  return engine?.validate(module.toBytes()) ?? false;
}
