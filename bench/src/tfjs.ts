/**
 * TensorFlow.js on its WebAssembly backend, SIMD, one thread: the peer that our engine is measured against.
 *
 * As shipped it cannot train a convolution, for want of the kernel `Conv2DBackpropFilter`. We lend it one made of its own
 * fastest pieces: patches are stacked already transposed, so that the product runs through its untransposed matmul.
 */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";

export const tfjsName = `tfjs-backend-wasm ${tf.version_core}`;

export async function startTfjs(): Promise<typeof tf> {
  if (tf.getBackend() === "wasm") return tf;
  const require = createRequire(import.meta.url);
  // The gradients are not in the package's main file, and the file that has them only resolves its imports as CommonJS.
  require("@tensorflow/tfjs-core/dist/register_all_gradients.js");
  setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
  setThreadsCount(1);
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  tf.registerKernel({
    kernelName: "Conv2DBackpropFilter",
    backendName: "wasm",
    kernelFunc: ({ inputs, attrs }) => {
      const { x, dy } = inputs as { x: tf.TensorInfo; dy: tf.TensorInfo };
      const { filterShape, strides, pad } = attrs as unknown as FilterAttributes;
      const engine = tf.engine();
      const asTensor = (info: tf.TensorInfo) => engine.makeTensorFromTensorInfo(info) as tf.Tensor4D;
      return filterGradient(asTensor(x), asTensor(dy), { filterShape, strides, pad });
    },
  });
  await tf.setBackend("wasm");
  await tf.ready();
  return tf;
}

interface FilterAttributes {
  readonly filterShape: readonly [number, number, number, number];
  readonly strides: number | readonly number[];
  readonly pad: string | number;
}

/** [height, width, in, out] for a convolution without padding and with stride 1: all that the bench needs. */
function filterGradient(x: tf.Tensor4D, dy: tf.Tensor4D, { filterShape, strides, pad }: FilterAttributes): tf.Tensor {
  if (pad !== "valid" || [strides].flat().some((stride) => stride !== 1)) throw new Error("only valid, stride 1");
  const [height, width, channels, features] = filterShape;
  const [batch, rows, columns] = dy.shape;
  const pixels = batch * rows * columns;
  const taps = Array.from({ length: height * width }, (_, tap) => {
    const window = tf.slice(x, [0, Math.floor(tap / width), tap % width, 0], [batch, rows, columns, channels]);
    const flat = tf.reshape(window, [pixels, channels]);
    return channels === 1 ? tf.reshape(flat, [1, pixels]) : tf.transpose(flat);
  });
  const product = tf.matMul(tf.concat(taps, 0), tf.reshape<tf.Rank.R2>(dy, [pixels, features]));
  return tf.reshape(product, [...filterShape]);
}
