/**
 * Matrices as products of two thin ones: one step of power iteration (PowerSGD, Vogels et al. 2019), begun where the last
 * one left off. P is orthonormal, so P·Pᵀ·M is never farther from M than zeros are, and error feedback converges.
 */
import { blockElements } from "../block.ts";
import { allFinite } from "../check.ts";
import { LengthError, ValueError } from "../errors.ts";
import { addressIn, kernelsFor, type SimdFor } from "../kernels/kernels.ts";
import type { Manifest } from "../manifest.ts";
import { bf16 } from "./bf16.ts";
import { notFinite, type Owed } from "./blockCodec.ts";
import { sumPart, sumRuns } from "./loadRun.ts";
import { mixed } from "./sparse.ts";
import { type RowsWork, thinProducts } from "./thinProducts.ts";

export type LowRankPart =
  | {
      readonly kind: "matrix";
      readonly start: number;
      readonly end: number;
      readonly rows: number;
      readonly columns: number;
    }
  /** Vectors and matrices too small to gain. */
  | { readonly kind: "run"; readonly start: number; readonly end: number };

/** Cuts a vector in its matrices and the runs between them, of at most a block. A kernel of more axes is a matrix by its last. */
export function lowRankParts({ entries, size }: Manifest, rank: number): LowRankPart[] {
  const parts: LowRankPart[] = [];
  let runStart = 0;
  const closeRun = (end: number) => {
    for (let start = runStart; start < end;) {
      // Runs end at the borders of blocks, so that each lies within one.
      const next = Math.min(end, (Math.floor(start / blockElements) + 1) * blockElements);
      parts.push({ kind: "run", start, end: next });
      start = next;
    }
  };
  for (const { shape, offset } of entries) {
    const columns = shape.length < 2 ? 0 : shape.at(-1)!;
    const rows = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
    // Two bytes an element of the factors against one of int8.
    if (2 * rank * (rows + columns) >= rows * columns) continue;
    closeRun(offset);
    runStart = offset + rows * columns;
    parts.push({ kind: "matrix", start: offset, end: runStart, rows, columns });
  }
  closeRun(size);
  return parts;
}

interface MatrixSettings {
  readonly seed: number;
  /** columns × rank; zeros for a beginning. */
  readonly basis: Float32Array;
}

/** Encoded: P, rows × rank, then Q, columns × rank, both bf16; the matrix is P·Qᵀ. */
export function matrixOf(
  { rows, columns }: Extract<LowRankPart, { kind: "matrix" }>,
  rank: number,
  simd: SimdFor = kernelsFor,
) {
  const factorElements = rank * (rows + columns);
  const encodedBytes = 2 * factorElements;
  const productsOf = (matrix: Float32Array) => thinProducts({ rows, columns, rank }, simd(matrix));
  const encode = (values: Float32Array, out: Uint8Array, { seed, basis }: MatrixSettings, prepare?: RowsWork): void => {
    if (out.length !== encodedBytes) throw wrongLength(out.length);
    if (basis.every((value) => value === 0)) randomBasis(basis, seed);
    const factors = new Float32Array(factorElements);
    const left = factors.subarray(0, rows * rank);
    const right = factors.subarray(rows * rank);
    const products = productsOf(values);
    products.project(values, basis, left, prepare);
    orthonormalize(left, rows, rank);
    products.gather(values, left, right);
    if (!allFinite(factors)) throw notFinite("lowRank");
    bf16.encode(factors, out, 0);
    basis.set(right);
    // A direction that met nothing has to be drawn anew.
    refillEmpty(basis, { columns, rank, seed });
  };
  return {
    encodedBytes,
    basisElements: columns * rank,

    /** The basis is left at Q, for the next time. */
    encode,

    /** As `encode`, of the sum with what was owed before. */
    encodeOwing(values: Float32Array, owed: Owed, out: Uint8Array, settings: MatrixSettings): void {
      const kernels = simd(owed.after);
      const products = productsOf(owed.after);
      const { before } = owed;
      const isNear = before === undefined || (kernels && addressIn(kernels, before)) !== undefined;
      if (products.reaches(owed.after) && isNear) {
        // Rows are looked at as soon as they are summed, while the cache has them.
        encode(owed.after, out, settings, (first, count) => {
          sumPart(kernels, values, { owed, start: first * columns, end: (first + count) * columns });
        });
      } else {
        sumRuns(kernels, values, owed);
        encode(owed.after, out, settings);
      }
      const factors = new Float32Array(factorElements);
      bf16.decode(out, factors);
      const [left, right] = [factors.subarray(0, rows * rank), factors.subarray(rows * rank)];
      products.expand(left, right, { matrix: owed.after, takeOff: true });
    },

    /** Elements [from, from + out.length) of the matrix, row by row. */
    decode(bytes: Uint8Array, out: Float32Array, from: number): void {
      if (bytes.length !== encodedBytes) throw wrongLength(bytes.length);
      const first = Math.floor(from / columns);
      const count = Math.ceil((from + out.length) / columns) - first;
      const left = new Float32Array(count * rank);
      bf16.decode(bytes.subarray(2 * first * rank, 2 * (first + count) * rank), left);
      const right = new Float32Array(columns * rank);
      bf16.decode(bytes.subarray(2 * rows * rank), right);
      // Whole rows, of which the first and last may be wanted in part.
      const matrix = out.length === count * columns ? out : new Float32Array(count * columns);
      thinProducts({ rows: count, columns, rank }, simd(matrix)).expand(left, right, { matrix, takeOff: false });
      const skipped = from - first * columns;
      if (matrix !== out) out.set(matrix.subarray(skipped, skipped + out.length));
      if (!allFinite(out)) throw new ValueError("codec lowRank: the factors' product is not finite");
    },
  };

  function wrongLength(got: number): LengthError {
    return new LengthError(`codec lowRank: a ${rows} × ${columns} matrix takes ${encodedBytes} bytes, got ${got}`);
  }
}

/** Gram-Schmidt over the columns, in f64; a column that depends on those before it becomes zeros. */
function orthonormalize(left: Float32Array, rows: number, rank: number): void {
  const columns = Array.from({ length: rank }, (_, k) => {
    const column = new Float64Array(rows);
    for (let i = 0; i < rows; i++) column[i] = left[i * rank + k]!;
    return column;
  });
  for (const [k, column] of columns.entries()) {
    const before = Math.sqrt(dot(column, column));
    // Twice is enough (Kahan, Parlett).
    for (let pass = 0; pass < 2; pass++) {
      for (const other of columns.slice(0, k)) {
        const projection = dot(column, other);
        for (let i = 0; i < rows; i++) column[i]! -= projection * other[i]!;
      }
    }
    const norm = Math.sqrt(dot(column, column));
    const scale = norm > 1e-6 * before ? 1 / norm : 0;
    for (let i = 0; i < rows; i++) left[i * rank + k] = column[i] = column[i]! * scale;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function randomBasis(basis: Float32Array, seed: number): void {
  for (let i = 0; i < basis.length; i++) basis[i] = mixed(seed, i) / 2 ** 31 - 1;
}

function refillEmpty(
  basis: Float32Array,
  { columns, rank, seed }: { columns: number; rank: number; seed: number },
): void {
  for (let k = 0; k < rank; k++) {
    let isEmpty = true;
    for (let j = 0; j < columns && isEmpty; j++) isEmpty = basis[j * rank + k] === 0;
    for (let j = 0; j < columns && isEmpty; j++) basis[j * rank + k] = mixed(seed, j * rank + k) / 2 ** 31 - 1;
  }
}
