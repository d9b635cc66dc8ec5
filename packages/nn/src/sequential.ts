/** Layers one after the other. */
import type { Layer, LayerLike } from "./layer.ts";
import { define, kindOf } from "./layer.ts";

/**
 * Each layer gets what the one before it gives. They are named by kind, and numbered from the second of a kind on: `dense`,
 * `dense_1`, `dense_2`. Functions such as `relu` stand as they are.
 */
export function sequential(...layers: readonly LayerLike[]): Layer {
  const names = uniqueNames(layers.map(kindOf));
  return define(
    ({ layer }) => {
      const steps = layers.map((step, i) => layer(names[i] ?? "", step));
      return (x) => steps.reduce((value, step) => step(value), x);
    },
    { kind: "sequential" },
  );
}

function uniqueNames(kinds: readonly string[]): string[] {
  const counts = new Map<string, number>();
  return kinds.map((kind) => {
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    return count === 0 ? kind : `${kind}_${count}`;
  });
}
