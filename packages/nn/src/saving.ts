/** Parameters from and to PyTorch's and Keras's names and layouts; an export of its own: `@weft/nn/saving`. */
export { fromKeras, fromPyTorch, toKeras, toPyTorch } from "./saving/convert.ts";
export type { KerasOptions, LayoutOptions } from "./saving/convert.ts";
export type { Rename } from "./saving/match.ts";
