/**
 * TensorFlow.js on its WebAssembly backend, SIMD, one thread: the peer that our engine is measured against.
 *
 * As shipped it cannot train a convolution, for want of the kernel `Conv2DBackpropFilter`. We lend it one made of its own
 * fastest pieces: patches are stacked already transposed, so that the product runs through its untransposed matmul.
 */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";

export interface BackendOptions {
  /**
   * Makes every matrix product of a transposed operand of a transpose and a plain product. As shipped only plain products are
   * fast, so this is how an expert would tune the peer; gradients of products are all transposed.
   */
  readonly transposesFirst: boolean;
}

export async function startBackend({ transposesFirst }: BackendOptions): Promise<void> {
  const { resolve } = createRequire(import.meta.url);
  setWasmPaths(`${dirname(resolve("@tensorflow/tfjs-backend-wasm"))}/`);
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
  if (transposesFirst) putTransposesFirst();
}

/** Replaces the kernel of matrix products. */
function putTransposesFirst(): void {
  const original = tf.getKernel("BatchMatMul", "wasm");
  const transpose = tf.getKernel("Transpose", "wasm");
  tf.unregisterKernel("BatchMatMul", "wasm");
  tf.registerKernel({
    ...original,
    kernelFunc: (params) => {
      const attrs = params.attrs as { transposeA: boolean; transposeB: boolean };
      if (!(attrs.transposeA || attrs.transposeB)) return original.kernelFunc(params);
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

/** [height, width, in, out] for a convolution with stride 1, and with an odd kernel where it pads: all that the bench needs. */
function filterGradient(x: tf.Tensor4D, dy: tf.Tensor4D, { filterShape, strides, pad }: FilterAttributes): tf.Tensor {
  if ([strides].flat().some((stride) => stride !== 1)) throw new Error("only stride 1");
  const [height, width, channels, features] = filterShape;
  const [batch, rows, columns] = dy.shape;
  const [up, left] = pad === "same" ? [(height - 1) / 2, (width - 1) / 2] : [0, 0];
  const padded =
    pad === "same"
      ? tf.pad(x, [
          [0, 0],
          [up, up],
          [left, left],
          [0, 0],
        ])
      : x;
  const pixels = batch * rows * columns;
  const taps = Array.from({ length: height * width }, (_, tap) => {
    const window = tf.slice(padded, [0, Math.floor(tap / width), tap % width, 0], [batch, rows, columns, channels]);
    const flat = tf.reshape(window, [pixels, channels]);
    return channels === 1 ? tf.reshape(flat, [1, pixels]) : tf.transpose(flat);
  });
  const product = tf.matMul(tf.concat(taps, 0), tf.reshape<tf.Rank.R2>(dy, [pixels, features]));
  return tf.reshape(product, [...filterShape]);
}
