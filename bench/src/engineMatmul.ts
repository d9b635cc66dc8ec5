/** Square matrix products, ours and tfjs's, in GFLOP/s: x ← x·w over and over, with x and w resident on either side. */
import type { Tensor } from "@weft/tensor";
import { compile, setBackend, tensor } from "@weft/tensor";
import type * as tfjs from "@tensorflow/tfjs-core";
import { createWasmBackend } from "@weft/wasm";
import type { Figure } from "./figure.ts";
import { compare, uniformFloats } from "./figure.ts";
import { startTfjs, tfjsName } from "./tfjs.ts";

const sizes = [64, 128, 256, 512, 1024];

export async function* engineMatmul(filter: string): AsyncIterable<Figure> {
  const wanted = sizes.filter((size) => `matmul ${size}`.includes(filter));
  if (wanted.length === 0) return;
  const tf = await startTfjs();
  setBackend(createWasmBackend());
  for (const size of wanted) {
    const shape: [number, number] = [size, size];
    const [x, w] = [uniformFloats(size * size, 1), reflection(size)];

    const step = compile((a: Tensor, b: Tensor) => [a.matmul(b), b] as const, { donate: [0, 1] });
    let ours: readonly [Tensor, Tensor] = [tensor(x, { shape }), tensor(w, { shape })];
    const weight = tf.tensor2d(w, shape);
    let theirs = tf.tensor2d(x, shape);

    yield compare({
      name: `matmul ${size}`,
      unit: "GFLOP/s",
      vs: tfjsName,
      work: (2 * size ** 3) / 1e9,
      ours: () => {
        ours = step(...ours);
      },
      theirs: () => {
        const product = tf.matMul<tfjs.Tensor2D>(theirs, weight);
        theirs.dispose();
        theirs = product;
      },
    });
    theirs.dispose();
    weight.dispose();
  }
}

/** I − 2vvᵀ/|v|²: its own inverse, so that products of any number stay as large as x. */
function reflection(size: number): Float32Array {
  const v = uniformFloats(size, 2);
  const norm = v.reduce((sum, value) => sum + value * value, 0);
  return Float32Array.from({ length: size * size }, (_, i) => {
    const [row, column] = [Math.floor(i / size), i % size];
    return (row === column ? 1 : 0) - (2 * v[row]! * v[column]!) / norm;
  });
}
