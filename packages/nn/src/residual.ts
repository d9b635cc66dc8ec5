/** The shortcut around a layer (He et al. 2016). */
import { ShapeError, typeText } from "@weft/tensor";
import type { Layer, LayerLike } from "./layer.ts";
import { define } from "./layer.ts";
import { checkOptions } from "./settings.ts";

/**
 * x → x + inner(x), or shortcut(x) + inner(x) where the inner layer changes the shape. Parameters: those of `inner` and
 * `shortcut`.
 */
export function residual(inner: LayerLike, options: { readonly shortcut?: LayerLike } = {}): Layer {
  checkOptions("residual", options, ["shortcut"]);
  return define(
    ({ layer }) => {
      const main = layer("inner", inner);
      const past = options.shortcut ? layer("shortcut", options.shortcut) : undefined;
      return (x) => {
        const [changed, kept] = [main(x), past ? past(x) : x];
        if (changed.shape.join() !== kept.shape.join()) {
          throw new ShapeError(
            `residual: the layer gives ${typeText(changed)} and the shortcut ${typeText(kept)}; keep the shape, or give ` +
              "a shortcut that changes it too, such as dense or conv2d with kernel: 1",
          );
        }
        return kept.add(changed);
      };
    },
    { kind: "residual" },
  );
}
