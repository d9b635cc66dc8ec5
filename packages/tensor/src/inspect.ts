/** A tensor as short text, for logs and debuggers. */
import { isResident } from "./backend.ts";
import type { Tensor } from "./graph.ts";
import { typeText } from "./program.ts";

/** Values shown before the rest is left out. */
const shown = 8;

/** `f32[2,3] [1, 2, 3, …]` where the value is known, `f32[2,3] (add, not computed yet)` where it is not. */
export function inspect(x: Tensor): string {
  const { node } = x;
  if (node.kind === "placeholder") return `${typeText(x)} (argument of a traced function)`;
  if (node.kind === "operation") return `${typeText(x)} (${node.primitive}, not computed yet)`;
  if (isResident(node.value)) return `${typeText(x)} (held by a compiled step)`;
  const values = Array.from(node.value.subarray(0, shown), (value) => Number(value.toPrecision(6)));
  return `${typeText(x)} [${values.join(", ")}${node.value.length > shown ? ", …" : ""}]`;
}
