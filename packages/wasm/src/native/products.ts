/** Kernels that native BLAS carries out: lists of matrix products over the plan's memory, as plain data. */
import type { OpenBlas } from "./blas.ts";

/** A row-major matrix: rows `stride` elements apart, the elements of a row side by side. */
export interface MatrixPlace {
  /** Which of the kernel's pointers. */
  readonly pointer: number;
  /** Bytes from there. */
  readonly offset: number;
  readonly stride: number;
}

/** out = left · right, m × n = m × k · k × n, or out += … with `accumulate`. */
export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly left: MatrixPlace & { readonly transposed: boolean };
  readonly right: MatrixPlace & { readonly transposed: boolean };
  readonly out: MatrixPlace;
  readonly accumulate: boolean;
}

/** Like a KernelSource, but a tile is a list of products instead of a piece of code. */
export interface NativeKernel {
  readonly key: string;
  readonly tiles: number;
  readonly scratchBytes: number;
  /** Of each tile. */
  readonly products: readonly (readonly Product[])[];
}

/**
 * `run(from, to, scratch, ...pointers)` of the kernel, like that of a WebAssembly one. The function also travels to helping
 * threads as text, so it may name nothing that lies outside of it.
 */
export function bindProducts(
  kernel: NativeKernel,
  memory: WebAssembly.Memory,
  { sgemm, addressOf }: OpenBlas,
): (from: number, to: number, scratch: number, ...pointers: number[]) => void {
  const [rowMajor, plain, transposed] = [101, 111, 112];
  let buffer: ArrayBufferLike | undefined;
  let base = 0;
  return (from, to, _, ...pointers) => {
    if (memory.buffer !== buffer) {
      buffer = memory.buffer; // the memory has grown, and may have moved
      base = addressOf(buffer);
    }
    const at = ({ pointer, offset }: MatrixPlace) => base + pointers[pointer]! + offset;
    for (let tile = from; tile < to; tile++) {
      for (const { m, n, k, left, right, out, accumulate } of kernel.products[tile]!) {
        sgemm(
          rowMajor,
          left.transposed ? transposed : plain,
          right.transposed ? transposed : plain,
          m,
          n,
          k,
          1,
          at(left),
          left.stride,
          at(right),
          right.stride,
          accumulate ? 1 : 0,
          at(out),
          out.stride,
        );
      }
    }
  };
}
