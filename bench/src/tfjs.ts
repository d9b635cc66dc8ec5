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
  lendTransposes();
  return tf;
}

let transposesFirst = false;

/**
 * Runs `work` with every matrix product of a transposed operand made of a transpose and a plain product. As shipped only
 * plain products are fast, so this is how an expert would tune the peer; gradients of products are all transposed.
 */
export function withTransposesFirst<T>(work: () => T): T {
  transposesFirst = true;
  try {
    return work();
  } finally {
    transposesFirst = false;
  }
}

/** Replaces the kernel of matrix products by one that heeds `transposesFirst`. */
function lendTransposes(): void {
  const original = tf.getKernel("BatchMatMul", "wasm");
  const transpose = tf.getKernel("Transpose", "wasm");
  tf.unregisterKernel("BatchMatMul", "wasm");
  tf.registerKernel({
    ...original,
    kernelFunc: (params) => {
      const attrs = params.attrs as { transposeA: boolean; transposeB: boolean };
      if (!transposesFirst || !(attrs.transposeA || attrs.transposeB)) return original.kernelFunc(params);
      const backend = params.backend as { disposeData: (id: object) => void };
      const plain = (x: tf.TensorInfo, transposed: boolean) => {
        const axes = x.shape.map((_, axis) => axis);
        const perm = [...axes.slice(0, -2), axes.length - 1, axes.length - 2];
        return transposed ? (transpose.kernelFunc({ inputs: { x }, backend, attrs: { perm } }) as tf.TensorInfo) : x;
      };
      const { a, b } = params.inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
      const inputs = { a: plain(a, attrs.transposeA), b: plain(b, attrs.transposeB) };
      const product = original.kernelFunc({
        inputs,
        backend,
        attrs: { ...attrs, transposeA: false, transposeB: false },
      });
      if (attrs.transposeA) backend.disposeData(inputs.a.dataId);
      if (attrs.transposeB) backend.disposeData(inputs.b.dataId);
      return product;
    },
  });
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
