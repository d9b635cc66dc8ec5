/** What the engine asks of a BLAS library, and how a program's owner chooses one. */
import { WeftError } from "@weft/tensor";

/**
 * `"off"`: WebAssembly kernels only. `"auto"`: the library that the environment variable `WEFT_BLAS` names (a path, or
 * `off`), else the first one found on the system, else none. Any other text is the path of a library.
 */
export type BlasChoice = "off" | "auto" | (string & {});

/** `cblas_sgemm`; pointers are addresses. */
export type Sgemm = (
  ...args: [
    order: number,
    transposeA: number,
    transposeB: number,
    m: number,
    n: number,
    k: number,
    alpha: number,
    a: number,
    lda: number,
    b: number,
    ldb: number,
    beta: number,
    c: number,
    ldc: number,
  ]
) => void;

/** What one thread calls. */
export interface OpenBlas {
  /** Computes on the calling thread alone; several threads may call it at once. */
  readonly sgemm: Sgemm;
  /** Where the buffer lies in the process's memory; true until the buffer is detached. */
  readonly addressOf: (buffer: ArrayBufferLike) => number;
}

/** Where another thread finds the same library. */
export interface BlasFiles {
  /** The module of koffi, or its binary. */
  readonly koffi: string;
  readonly library: string;
}

export interface Blas {
  /** Product, version and kernels: `OpenBLAS 0.3.21 (SkylakeX)`. */
  readonly name: string;
  readonly files: BlasFiles;
  readonly open: OpenBlas;
}

/** A BLAS library was named that cannot be used. */
export class BlasError extends WeftError {
  readonly code = "blas";
}
